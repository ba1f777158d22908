package observe

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

func sshdSettings(s fact.Service, names ...string) []string {
	var out []string
	for _, n := range names {
		x := s.Setting(n)
		out = append(out, fmt.Sprintf("%s=%s (%s) %s %s:%d", n, x.Value, x.Default, x.From, x.Origin.Path, x.Origin.Line))
	}
	return out
}

func TestSSHD(t *testing.T) {
	base := initAnd(
		fact.Process{Ref: "process:10", PID: 10, PPID: 1, Comm: "sshd", Exe: "/usr/sbin/sshd", Sockets: []uint64{5, 6},
			Argv: []string{"sshd: /usr/sbin/sshd -D -o MaxAuthTries=9 [listener] 0 of 10-100 startups"}},
		fact.Process{Ref: "process:11", PID: 11, PPID: 10, Comm: "sshd", Exe: "/usr/sbin/sshd", Argv: []string{"sshd: root@pts/0"}},
		fact.Process{Ref: "process:12", PID: 12, PPID: 1, Comm: "sshd", Exe: "/usr/sbin/sshd", Cwd: "/etc/odd",
			Argv: []string{"/usr/sbin/sshd", "-Df", "conf", "-p2222"}},
		fact.Process{Ref: "process:13", PID: 13, PPID: 1, Comm: "sshd", Exe: "/usr/sbin/sshd", Container: "abc", Argv: []string{"/usr/sbin/sshd"}},
	)
	base.Socket = []fact.Socket{{Ref: "socket:5", Inode: 5, Port: 22, State: "LISTEN"}, {Ref: "socket:6", Inode: 6, Port: 22, State: "ESTABLISHED"}}
	s, c := lookAt(t, "sshd-debian", base, sshd)
	if len(s.Service) != 2 || c.State != fact.Seen {
		t.Fatalf("%d services, %+v", len(s.Service), c)
	}
	want := []string{
		"passwordauthentication=yes (yes) file /etc/ssh/sshd_config.d/50-cloud-init.conf:1",
		"permitrootlogin=yes (prohibit-password) file /etc/ssh/sshd_config:3",
		"kbdinteractiveauthentication=yes (no) default :0",
		"x11forwarding=no (yes) default :0",
		"maxauthtries=9 (6) argv :0",
		"match User deploy passwordauthentication=yes (yes) file /etc/ssh/sshd_config:6",
		"match User deploy authorizedkeysfile=/etc/keys/%u (.ssh/authorized_keys .ssh/authorized_keys2) file /etc/ssh/sshd_config:7",
	}
	got := sshdSettings(s.Service[0], "passwordauthentication", "permitrootlogin", "kbdinteractiveauthentication", "x11forwarding",
		"maxauthtries", "match User deploy passwordauthentication", "match User deploy authorizedkeysfile")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	a, b := s.Service[0], s.Service[1]
	if a.Process != "process:10" || !cmp.Equal(a.Ports, []int{22}) || a.Auth != "password" || a.Config != "/etc/ssh/sshd_config" {
		t.Errorf("%+v", a)
	}
	if b.Config != "/etc/odd/conf" || b.Auth != "key" || !cmp.Equal(b.Ports, []int{2222}) || b.Setting("port").From != "argv" || a.Ref == b.Ref {
		t.Errorf("%+v", b)
	}
}

func TestSSHDUnread(t *testing.T) {
	base := initAnd(fact.Process{PID: 10, PPID: 1, Comm: "sshd", Argv: []string{"/usr/sbin/sshd", "-f", "/gone"}})
	s, _ := lookAt(t, "sshd-debian", base, sshd)
	x := s.Service[0]
	if x.Auth != "unknown" || len(x.Settings) != 0 || !cmp.Equal(x.Gaps, []string{"config"}) {
		t.Errorf("%+v", x)
	}
	h, err := fixture.Parse([]byte("-- /etc/ssh/sshd_config --\nInclude /etc/ssh/sshd_config.d/*\nPermitRootLogin yes\n" +
		"-- /etc/ssh/sshd_config.d/x error=permission --\nPasswordAuthentication no\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, c := lookAtHost(t, h, fact.Snapshot{}, sshd)
	x = s.Service[0]
	if x.Auth != "unknown" || len(x.Settings) != 1 || !cmp.Equal(x.Gaps, []string{"include"}) || c.State != fact.Partial {
		t.Errorf("%+v %+v", x, c)
	}
	s, c = lookAt(t, "rc-alpine", fact.Snapshot{}, sshd)
	if c.State != fact.Absent {
		t.Errorf("%+v %+v", c, s.Service)
	}
}
