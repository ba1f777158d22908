package observe

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

const onWire = `-- kernel/identity --
self=900
-- kernel/sockets --
tcp ESTABLISHED 10.0.0.5:40000 203.0.113.7:3333 inode=50
tcp6 ESTABLISHED [::ffff:10.0.0.5]:40001 [::ffff:203.0.113.8]:443 inode=51
tcp ESTABLISHED 10.0.0.5:22 198.51.100.9:50000 inode=60
tcp LISTEN 0.0.0.0:3333 inode=52
-- kernel/hear --
10.0.0.5:40000 203.0.113.7:3333 > {"id":1,"method":"login","params":{"login":"48w","pass":"x","agent":"a"}}
10.0.0.5:40000 203.0.113.7:3333 < {"id":1,"result":{"job":{"blob":"0e","job_id":"7","target":"ff"},"status":"OK"}}
10.0.0.5:40001 203.0.113.8:443 > {"id":1,"method":"mining.subscribe","params":[]}
10.0.0.5:40001 203.0.113.8:443 < {"id":null,"method":"mining.notify","params":[]}
10.0.0.5:22 198.51.100.9:50000 < {"id":1,"method":"mining.subscribe","params":[]}
`

func listen(t *testing.T, text string, sc Scope, ps ...fact.Process) (*fact.Snapshot, fact.Coverage) {
	t.Helper()
	h, err := fixture.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	s := Run(context.Background(), h, []*Observer{socket, wire}, sc, &fact.Snapshot{Host: fact.HostInfo{Self: 900}, Process: ps})
	return s, s.Coverage[len(s.Coverage)-1]
}

func TestWire(t *testing.T) {
	miner := fact.Process{Ref: "process:b/812@1", PID: 812, PPID: 1, Sockets: []uint64{50, 51, 52}}
	quiet := fact.Process{Ref: "process:b/813@1", PID: 813, PPID: 1, Sockets: []uint64{60}}
	sshd := fact.Process{Ref: "process:b/700@1", PID: 700, PPID: 1, Sockets: []uint64{60}}
	self := fact.Process{Ref: "process:b/900@1", PID: 900, PPID: 700}
	sc := Scope{Images: []fact.Ref{miner.Ref, sshd.Ref}, Wire: time.Minute}
	s, c := listen(t, onWire, sc, miner, quiet, sshd, self)
	got := map[string]string{}
	for _, f := range s.Flow {
		got[f.Peer] = f.Dialect + " " + f.Role + " " + strings.Join(f.Methods, ",") + " " + string(f.Process) + " " + string(f.Socket)
	}
	want := map[string]string{
		"203.0.113.7:3333": "monero client login,job process:b/812@1 socket:1@tcp/50",
		"203.0.113.8:443":  "bitcoin client mining.subscribe,mining.notify process:b/812@1 socket:1@tcp6/51",
	}
	if d := cmp.Diff(want, got); d != "" || !c.Complete() {
		t.Errorf("%v (-want +got):\n%s", c, d)
	}
	for _, f := range s.Flow {
		last := f.Indicators[len(f.Indicators)-1]
		if last.Kind != "pool" || last.Value != f.Peer {
			t.Errorf("pool of %s: %v", f.Peer, f.Indicators)
		}
	}
}

// Connections that one socket cannot listen to are a gap, and so is a kernel
// that does not let listen.
func TestWireGaps(t *testing.T) {
	var b strings.Builder
	b.WriteString("-- kernel/sockets --\n")
	p := fact.Process{Ref: "process:b/812@1", PID: 812, PPID: 1}
	for i := range host.MaxPairs + 3 {
		p.Sockets = append(p.Sockets, uint64(100+i))
		fmt.Fprintf(&b, "tcp ESTABLISHED 10.0.0.5:%d 203.0.113.7:3333 inode=%d\n", 40000+i, 100+i)
	}
	sc := Scope{Images: []fact.Ref{p.Ref}, Wire: time.Second}
	_, c := listen(t, b.String(), sc, p)
	if len(c.Gaps) != 1 || c.Gaps[0].Code != "too-many" || c.Gaps[0].Count != 3 || c.State != fact.Partial {
		t.Errorf("%+v", c)
	}
	_, c = listen(t, b.String()+"tcp LISTEN 0.0.0.0:40000 inode=9\ntcp LISTEN 0.0.0.0:40001 inode=10\n", sc, p)
	if len(c.Gaps) != 1 || c.Gaps[0].Count != 1 {
		t.Errorf("two of them are accepted: %+v", c)
	}
	p.Sockets = p.Sockets[:1]
	_, c = listen(t, b.String()+"-- kernel/hear --\ndeaf\n", sc, p)
	if len(c.Gaps) != 1 || c.Gaps[0].Code != "no-permission" {
		t.Errorf("%+v", c)
	}
}

// An interrupt ends the listening; what was heard until then is told.
func TestWireInterrupted(t *testing.T) {
	h, err := fixture.Parse([]byte(onWire))
	if err != nil {
		t.Fatal(err)
	}
	miner := fact.Process{Ref: "process:b/812@1", PID: 812, PPID: 1, Sockets: []uint64{50}}
	base := &fact.Snapshot{Process: []fact.Process{miner}, Socket: []fact.Socket{{
		Ref: "socket:1@tcp/50", Proto: "tcp", State: "ESTABLISHED", Local: netip.MustParseAddr("10.0.0.5"), Port: 40000,
		Peer: netip.MustParseAddr("203.0.113.7"), PeerPort: 3333, Inode: 50,
	}}}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	part, err := seeWire(ctx, newView(h, wire, base), base, Scope{Images: []fact.Ref{miner.Ref}, Wire: time.Minute})
	if err != nil || len(part.Flow) != 1 || len(part.Gaps) != 1 || part.Gaps[0].Code != "timeout" {
		t.Errorf("%v: %+v", err, part)
	}
}
