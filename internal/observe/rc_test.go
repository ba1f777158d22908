package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

func TestRCCentOS7(t *testing.T) {
	s, c := lookAt(t, "rc-centos7", initAnd(), rc)
	want := []string{
		`init /etc/rc.d/init.d/gtyhbcxzsd:0 root "" active: `,
		`init /etc/rc.d/init.d/network:0 root "" active: `,
		`init /etc/rc.d/init.d/sshd:0 root "" unit-exists: `,
		`rc /etc/rc.local:10 root "" after-exit: /tmp/.x/late`,
		`rc /etc/rc.local:3 root "" active: touch /var/lock/subsys/local`,
		`rc /etc/rc.local:4 root "" active: if [ -x /opt/agent/start ]; then`,
		`rc /etc/rc.local:5 root "" active: /opt/agent/start        --daemon`,
	}
	if d := cmp.Diff(want, entries(s)); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
	for _, a := range s.Autostart {
		if a.Name == "gtyhbcxzsd" && !cmp.Equal(a.Shell.Runs, []fact.Path{"/usr/bin/gtyhbcxzsd"}) {
			t.Errorf("runs %v", a.Shell.Runs)
		}
	}
}

func TestRCAlpine(t *testing.T) {
	s, _ := lookAt(t, "rc-alpine", fact.Snapshot{}, rc)
	want := []string{
		`init /etc/init.d/crond:0 root "" active: `,
		`init /etc/init.d/local:0 root "" active: `,
		`rc /etc/local.d/x.start:0 root "" active: `,
		`rc /etc/rc.local:1 root "" not-executable: /tmp/a`,
	}
	if d := cmp.Diff(want, entries(s)); d != "" {
		t.Error(d)
	}
}
