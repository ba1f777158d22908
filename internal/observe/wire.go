package observe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"demine/internal/fact"
	"demine/internal/format/stratum"
	"demine/internal/host"
)

var wire = &Observer{
	Name:  "wire",
	Doc:   "the Stratum mining protocol on the TCP connections of those worth a look, for as long as is asked; those they opened first",
	Sees:  []string{fact.KindFlow},
	Needs: []string{"process", "socket"},
	Long:  true,
	See:   seeWire,
}

// maxEars bounds the network namespaces that are listened in at once.
const maxEars = 32

func seeWire(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	if sc.Wire <= 0 {
		return p, host.ErrUnavailable // nobody asked
	}
	lines := linesOf(in, sc.Images)
	ears := earsOf(lines, in, &p)
	begin := v.Host().Now()
	hearing, stop := context.WithTimeout(ctx, sc.Wire)
	defer stop()
	var all sync.WaitGroup
	for _, e := range ears {
		all.Go(func() {
			defer func() { e.panicked = recover() }()
			e.err = v.Host().Kernel.Hear(hearing, e.pid, e.pairs, e.hear)
		})
	}
	all.Wait()
	for _, e := range ears {
		if e.panicked != nil {
			panic(e.panicked) // where it becomes Coverage
		}
		p.earGap(e)
	}
	if ctx.Err() != nil {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "timeout", Detail: fmt.Sprintf("listened for %s of %s", v.Host().Now().Sub(begin).Round(time.Second), sc.Wire)})
	}
	for _, l := range lines {
		if f, ok := l.flow(); ok {
			p.Flow = append(p.Flow, f)
		}
	}
	return p, nil
}

// line is a connection that is listened to.
type line struct {
	socket      *fact.Socket
	process     *fact.Process
	pair        host.Pair
	accepted    bool // the other end opened it
	stream      stratum.Stream
	first, last time.Time
}

// linesOf gives the connections of processes: those that they opened, for a
// miner calls its pool, before those that they accepted; each in the order of
// the processes, those that used most CPU first. The operator's own are left
// out.
func linesOf(in *fact.Snapshot, worth []fact.Ref) []*line {
	type port struct {
		ns     uint64
		number int
	}
	sockets, listening := map[uint64]*fact.Socket{}, map[port]bool{}
	for i := range in.Socket {
		switch s := &in.Socket[i]; {
		case s.Proto != "tcp" && s.Proto != "tcp6":
		case s.State == "LISTEN":
			listening[port{s.NetNS, s.Port}] = true
		case s.State == "ESTABLISHED" && s.Inode != 0:
			sockets[s.Inode] = s
		}
	}
	for inode := range ownSockets(in) {
		delete(sockets, inode)
	}
	var opened, accepted []*line
	for _, ref := range worth {
		p := processOf(in, ref)
		if p == nil {
			continue
		}
		for _, inode := range p.Sockets {
			s := sockets[inode]
			if s == nil {
				continue
			}
			delete(sockets, inode)
			l := &line{socket: s, process: p, pair: host.Pair{Local: plain(s.Local, s.Port), Peer: plain(s.Peer, s.PeerPort)}}
			if l.accepted = listening[port{s.NetNS, s.Port}]; l.accepted {
				accepted = append(accepted, l)
			} else {
				opened = append(opened, l)
			}
		}
	}
	return append(opened, accepted...)
}

func plain(a netip.Addr, port int) netip.AddrPort {
	return netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(port))
}

func processOf(in *fact.Snapshot, ref fact.Ref) *fact.Process {
	i := slices.IndexFunc(in.Process, func(p fact.Process) bool { return p.Ref == ref })
	if i < 0 {
		return nil
	}
	return &in.Process[i]
}

// ownSockets are those of demine and of its ancestors: the operator's session.
func ownSockets(in *fact.Snapshot) map[uint64]bool {
	byPID := map[int]*fact.Process{}
	for i := range in.Process {
		byPID[in.Process[i].PID] = &in.Process[i]
	}
	out := map[uint64]bool{}
	pid := in.Host.Self
	for p := byPID[pid]; p != nil && p.PID > 1; p = byPID[pid] {
		delete(byPID, pid) // a circle is no ancestry
		for _, inode := range p.Sockets {
			out[inode] = true
		}
		pid = p.PPID
	}
	return out
}

// ear listens in one network namespace.
type ear struct {
	ns    uint64
	pid   int // a process in it; 0: demine's own
	pairs []host.Pair
	lines map[host.Pair]*line
	err   error

	panicked any
}

func earsOf(lines []*line, in *fact.Snapshot, p *Part) []*ear {
	own := uint64(0)
	if self := slices.IndexFunc(in.Process, func(q fact.Process) bool { return q.PID == in.Host.Self }); self >= 0 {
		own = in.Process[self].NetNS
	}
	var out []*ear
	left := 0
	for _, l := range lines {
		i := slices.IndexFunc(out, func(e *ear) bool { return e.ns == l.socket.NetNS })
		if i < 0 && len(out) < maxEars {
			i = len(out)
			e := &ear{ns: l.socket.NetNS, pid: l.process.PID, lines: map[host.Pair]*line{}}
			if own == 0 || e.ns == own {
				e.pid = 0
			}
			out = append(out, e)
		}
		if i < 0 || len(out[i].pairs) == host.MaxPairs {
			if !l.accepted { // those are heard as far as there is room
				left++
			}
			continue
		}
		out[i].pairs, out[i].lines[l.pair] = append(out[i].pairs, l.pair), l
	}
	if left > 0 {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: "connections", Count: left})
	}
	return out
}

func (e *ear) hear(s host.Segment) {
	l := e.lines[s.Pair]
	if l == nil {
		return
	}
	l.stream.Feed(s.Sent, s.Seq, s.Data)
	if l.first.IsZero() {
		l.first = s.At
	}
	l.last = s.At
}

func (p *Part) earGap(e *ear) {
	if e.err != nil && !gone(e.err) {
		p.Gaps = append(p.Gaps, fact.Gap{
			Code: gapCode(e.err), What: fmt.Sprintf("%d connections in network namespace %d", len(e.pairs), e.ns), Detail: rootCause(e.err),
		})
	}
}

func (l *line) flow() (fact.Flow, bool) {
	h, ok := l.stream.Heard()
	if !ok {
		return fact.Flow{}, false
	}
	f := fact.Flow{
		Ref: fact.FlowRef(l.socket.Ref), Socket: l.socket.Ref, Process: l.process.Ref, Dialect: h.Dialect, Role: h.Role,
		Methods: h.Methods, Sent: h.Sent, Received: h.Received, Peer: l.pair.Peer.String(),
		First: l.first, Last: l.last, Indicators: h.Indicators,
	}
	if f.Role == stratum.Client {
		f.Indicators = append(slices.Clip(f.Indicators), fact.Indicator{Kind: "pool", Value: f.Peer})
	}
	return f, true
}
