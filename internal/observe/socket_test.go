package observe

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

// Who asks only for what is served gets the connection of the operator as well, if
// there may be one.
func TestServed(t *testing.T) {
	const sockets = `-- kernel/sockets --
tcp LISTEN 0.0.0.0:22 inode=1
tcp ESTABLISHED 10.0.0.1:22 203.0.113.5:50001 inode=2
udp UNCONN 0.0.0.0:53 inode=3
`
	child := strings.Replace(running(900, 900), "S 1 1", "S 40 1", 1)
	shell := strings.Replace(running(40, 40), "S 1 1", "S 7 1", 1)
	sshd := strings.Replace(running(7, 7), "(x)", "(sshd)", 1)
	all, listening := []string{"LISTEN", "ESTABLISHED", "UNCONN"}, []string{"LISTEN", "UNCONN"}
	for name, c := range map[string]struct {
		text  string
		scope Scope
		want  []string
	}{
		"all":                   {child, Scope{}, all},
		"served, on a console":  {child + shell + running(7, 7), Scope{Served: true}, listening},
		"served, over ssh":      {child + shell + sshd, Scope{Served: true}, all},
		"served, somebody's":    {running(900, 900) + sshd, Scope{Served: true}, listening},
		"served, a circle":      {strings.Replace(child, "S 40 1", "S 900 1", 1), Scope{Served: true}, listening},
		"served, not seen self": {sshd, Scope{Served: true}, listening},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := fixture.Parse([]byte("-- kernel/identity --\nself=900\n" + sockets + c.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range Run(t.Context(), h, []*Observer{hostinfo, account, process, socket}, c.scope, nil).Socket {
				got = append(got, s.State)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// askedOf notes in which namespaces all sockets were asked for, and in which those
// that listen.
type askedOf struct {
	host.Kernel
	all, listening *[]int
}

func (a askedOf) Sockets(_ context.Context, pid int) ([]fact.Socket, error) {
	*a.all = append(*a.all, pid)
	return nil, nil
}

func (a askedOf) Listeners(_ context.Context, pid int) ([]fact.Socket, error) {
	*a.listening = append(*a.listening, pid)
	return nil, nil
}

// The operator's connection is in the namespace of the sshd, wherever demine is.
func TestServedFromElsewhere(t *testing.T) {
	in := &fact.Snapshot{Host: fact.HostInfo{Self: 900}, Process: []fact.Process{
		{PID: 900, PPID: 40, NetNS: 2}, {PID: 40, PPID: 7, NetNS: 2}, {PID: 7, PPID: 1, Comm: "sshd", NetNS: 1}, {PID: 1, Comm: "systemd", NetNS: 1}, {PID: 60, PPID: 1, NetNS: 3},
	}}
	var all, listening []int
	v := &View{h: &host.Host{Kernel: askedOf{all: &all, listening: &listening}}}
	if _, err := seeSockets(t.Context(), v, in, Scope{Served: true}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(listening)
	if !slices.Equal(all, []int{7}) || !slices.Equal(listening, []int{0, 60}) {
		t.Errorf("all of %d, listeners of %d", all, listening)
	}
}
