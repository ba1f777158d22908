package observe

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

// Who changed the packet filter and what sudo ran is told of every host: of
// people, not of what daemons do. What programs were started is told only of one
// that was attacked.
func TestAuditAlways(t *testing.T) {
	h, err := fixture.Parse([]byte(`
-- /var/log/audit/audit.log --
type=USER_CMD msg=audit(1795374000.000:1): pid=910 uid=1000 auid=1000 ses=3 msg='cwd="/" cmd=757365726164642070617373776F72643D78 exe="/usr/bin/sudo" terminal=pts/0 res=success'
type=NETFILTER_CFG msg=audit(1795374001.000:2): table=filter:42 family=2 entries=1 op=nft_register_rule pid=912 subj=unconfined comm="iptables"
type=SYSCALL msg=audit(1795374001.000:2): arch=c000003e syscall=46 success=yes pid=912 auid=1000 uid=0 comm="iptables" exe="/usr/sbin/xtables-nft-multi"
type=PROCTITLE msg=audit(1795374001.000:2): proctitle=69707461626C6573002D4C
type=NETFILTER_CFG msg=audit(1795374002.000:3): table=nat family=2 entries=1 op=replace pid=913 comm="iptables"
type=SYSCALL msg=audit(1795374002.000:3): arch=c000003e syscall=54 success=yes pid=913 auid=4294967295 uid=0 comm="iptables" exe="/usr/sbin/xtables-legacy-multi"
type=PROCTITLE msg=audit(1795374002.000:3): proctitle=69707461626C6573002D74006E6174
type=SYSCALL msg=audit(1795374003.000:4): arch=c000003e syscall=59 success=yes pid=900 auid=4294967295 uid=33 comm="sh" exe="/usr/bin/dash"
type=EXECVE msg=audit(1795374003.000:4): argc=3 a0="sh" a1="-c" a2=6375726C20687474703A2F2F682F78207C207368
`))
	if err != nil {
		t.Fatal(err)
	}
	in := fact.Snapshot{Account: []fact.Account{{Name: "ops", UID: 1000}}}
	s, c := lookAtHost(t, h, in, audit)
	var got []string
	for _, e := range s.Log {
		got = append(got, fmt.Sprint(e.Kind, " ", e.User, " ", e.Text, " ", e.Time.Unix(), " ", e.Origin.Line, " ", e.By))
	}
	want := []string{
		"audit-command ops useradd password=*** 1795374000 1 audit",
		"audit-firewall ops iptables -L 1795374001 2 audit",
	}
	if d := cmp.Diff(want, got); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
	if s := lookForTraces(t, h, &in, audit); len(s.Log) != 3 {
		t.Errorf("with an attack to be explained: %+v", s.Log)
	}
}
