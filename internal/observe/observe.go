// Package observe turns a host into facts: one file an observer, each a value
// that states what it sees, what it needs and which files it may open. An
// observer states facts and judges nothing; what it could not see it says in
// its Coverage.
package observe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/format/yara"
	"demine/internal/host"
)

// Observer is one way of looking. The zero See is not valid.
type Observer struct {
	Name, Doc string
	Sees      []string // kinds of fact that it adds or enriches
	Needs     []string // names of observers that must have run first
	Reads     []string // path patterns that it may open; * is one component, ** any tail
	Follows   []string // kinds whose named paths it may open
	Long      bool     // takes as long as there is to read: it is not waited for with patience but to its end
	See       func(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error)
}

// Scope says what a targeted observer should look at.
type Scope struct {
	Images []fact.Ref    // processes whose executable is to be read
	Files  []fact.Path   // files to be described
	Memory []fact.Ref    // processes whose memory is to be searched
	Whole  []fact.Ref    // those of them of which all is to be searched, not the beginnings
	Shapes []fact.Ref    // processes whose threads are to be watched
	Wire   time.Duration // how long to listen for the Stratum protocol; 0: not
	Yara   *yara.Rules   // rules for what is searched; nil: none
	Deep   *Deep         // folders to search

	Traces  bool // an attack is to be explained: logs are read far back
	NoProbe bool // no server is asked anything
	Lineage bool // of processes those alone that demine descends from: who runs it
	Served  bool // of sockets those alone that listen, and the connection over which demine is run

	LeaseLog bool // what demine told the system log of leases is wanted
}

// Part is what one observer adds. A fact whose Ref is in the Snapshot already
// takes its place: that is how an observer enriches what another one saw.
type Part struct {
	Host      *fact.HostInfo
	Load      *fact.Load
	Kernel    *fact.Kernel
	Process   []fact.Process
	Socket    []fact.Socket
	Autostart []fact.Autostart
	File      []fact.File
	Account   []fact.Account
	Key       []fact.Key
	Firewall  []fact.Ruleset
	Service   []fact.Service
	Log       []fact.LogEvent
	Container []fact.Container
	Flow      []fact.Flow
	Module    []fact.Module
	Network   []fact.Network

	Credential []fact.Credential

	Gaps   []fact.Gap
	Absent bool // the thing does not exist on this host
}

func (p *Part) count() int {
	return len(p.Process) + len(p.Socket) + len(p.Autostart) + len(p.File) + len(p.Account) +
		len(p.Key) + len(p.Firewall) + len(p.Service) + len(p.Log) + len(p.Container) + len(p.Flow) + len(p.Module) + len(p.Network) + len(p.Credential)
}

// gap records an error as something not seen. A missing file is no gap, nor is
// what would lie in something that is no folder.
func (p *Part) gap(what fact.Path, err error) {
	if err == nil || host.Missing(err) {
		return
	}
	p.Gaps = append(p.Gaps, fact.Gap{Code: gapCode(err), What: what.String(), Detail: rootCause(err)})
}

func gapCode(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "no-permission"
	case errors.Is(err, host.ErrTooLarge):
		return "too-large"
	case errors.Is(err, host.ErrNotRegular):
		return "not-regular"
	case errors.Is(err, host.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, host.ErrLost):
		return "lost"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "timeout"
	}
	return "unreadable"
}

// place is what an error is about.
func place(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Path
	}
	return ""
}

func rootCause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// Run runs the observers, each after those that it needs, a few at a time,
// over what is in base (nil: nothing yet), and returns the new Snapshot; base
// is not changed. It does not fail: what could not be seen is in the Coverage.
// A panic in an observer becomes its Coverage.
func Run(ctx context.Context, h *host.Host, obs []*Observer, sc Scope, base *fact.Snapshot) *fact.Snapshot {
	s := clone(base)
	if s.Taken.IsZero() {
		s.Schema, s.Taken = fact.SchemaVersion, h.Now()
	}
	r := runner{h: h, sc: sc, snap: s, left: map[string]bool{}, patience: patience}
	for _, o := range obs {
		r.left[o.Name] = true
	}
	r.run(ctx, obs)
	return r.snap
}

type runner struct {
	h        *host.Host
	sc       Scope
	snap     *fact.Snapshot
	left     map[string]bool
	patience time.Duration
}

// run starts observers whose needs are met, in levels: within a level nothing
// of the snapshot changes, so observers read it without a lock.
func (r *runner) run(ctx context.Context, obs []*Observer) {
	for len(obs) > 0 {
		var now, later []*Observer
		for _, o := range obs {
			if r.ready(o) {
				now = append(now, o)
			} else {
				later = append(later, o)
			}
		}
		if len(now) == 0 {
			panic("observe: observers need each other in a circle: " + later[0].Name)
		}
		r.level(ctx, now)
		obs = later
	}
}

func (r *runner) ready(o *Observer) bool {
	for _, n := range o.Needs {
		if r.left[n] {
			return false
		}
	}
	return true
}

const atOnce = 4 // more than the CPUs of small hosts: some observers wait

// patience is how long a level may take, grace how long after an interrupt. A
// read of a network file system whose server is gone does not return (nfs(5),
// "hard"), nor does one of a process whose memory map is locked; what else is
// known must be told all the same.
const (
	patience = 20 * time.Second
	grace    = time.Second
)

func (r *runner) level(ctx context.Context, obs []*Observer) {
	ctx, end := context.WithCancel(ctx)
	defer end() // nobody waits for those left behind: who can hear it stops
	type result struct {
		i    int
		part Part
		cov  fact.Coverage
	}
	results := make(chan result, len(obs)) // also for those that nobody waits for any more
	slots := make(chan struct{}, atOnce)
	in := r.snap
	for i, o := range obs {
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p, c := see(ctx, r.h, o, in, r.sc)
			results <- result{i, p, c}
		}()
	}
	got := make([]*result, len(obs))
	late, stop := time.NewTimer(r.patience), ctx.Done()
	if slices.ContainsFunc(obs, func(o *Observer) bool { return o.Long }) {
		late.Stop()
	}
	defer late.Stop()
wait:
	for n := len(obs); n > 0; {
		select {
		case x := <-results:
			got[x.i] = &x
			n--
		case <-stop:
			late.Reset(min(grace, r.patience))
			stop = nil
		case <-late.C:
			r.snap = clone(in) // those left behind go on reading theirs
			break wait
		}
	}
	for i, o := range obs {
		x := got[i]
		if x == nil {
			x = &result{cov: overdue(o)}
		}
		merge(r.snap, x.part)
		r.snap.Coverage = cover(r.snap.Coverage, x.cov)
		delete(r.left, o.Name)
	}
}

func overdue(o *Observer) fact.Coverage {
	return fact.Coverage{
		Observer: o.Name, Sees: o.Sees, State: fact.Failed,
		Gaps: []fact.Gap{{Code: "timeout", Detail: "a read does not return: a network file system without its server?"}},
	}
}

// cover adds a Coverage. An observer that looked before, at less, has looked at
// both now.
func cover(cs []fact.Coverage, c fact.Coverage) []fact.Coverage {
	for i := range cs {
		if cs[i].Observer == c.Observer {
			c.Count += cs[i].Count
			c.TookUS += cs[i].TookUS
			c.Gaps = foldGaps(append(cs[i].Gaps, c.Gaps...))
			if len(c.Gaps) > 0 && c.Complete() {
				c.State = fact.Partial
			}
			cs[i] = c
			return cs
		}
	}
	return append(cs, c)
}

// see runs one observer and turns everything that can happen into Coverage.
func see(ctx context.Context, h *host.Host, o *Observer, in *fact.Snapshot, sc Scope) (p Part, c fact.Coverage) {
	begin := time.Now()
	c = fact.Coverage{Observer: o.Name, Sees: o.Sees, State: fact.Seen}
	defer func() {
		if x := recover(); x != nil {
			p = Part{}
			c.State = fact.Failed
			c.Gaps = append(c.Gaps, fact.Gap{Code: "panic", Detail: fmt.Sprint(x)})
		}
		c.TookUS = time.Since(begin).Microseconds()
	}()
	v := newView(h, o, in)
	p, err := o.See(ctx, v, in, sc)
	c.Count, c.Gaps = p.count(), foldGaps(p.Gaps)
	switch {
	case errors.Is(err, host.ErrUnavailable):
		c.State = fact.Unavailable
	case err != nil && host.Missing(err):
		c.State = fact.Absent
	case err != nil:
		c.State = fact.Failed
	case p.Absent && len(p.Gaps) == 0:
		c.State = fact.Absent
	case len(p.Gaps) > 0:
		c.State = fact.Partial
	}
	if err != nil && c.State != fact.Absent {
		c.Gaps = append(c.Gaps, fact.Gap{Code: gapCode(err), What: place(err), Detail: rootCause(err)})
	}
	return p, c
}

// foldGaps keeps the first few gaps of each code in full and counts the rest:
// an ordinary user cannot read the files of a thousand processes.
func foldGaps(gaps []fact.Gap) []fact.Gap {
	const inFull = 5
	seen, last := map[string]int{}, map[string]int{}
	var out []fact.Gap
	for _, g := range gaps {
		n := max(1, g.Count)
		if seen[g.Code] < inFull {
			seen[g.Code]++
			out = append(out, g)
			continue
		}
		i, ok := last[g.Code]
		if !ok {
			i = len(out)
			last[g.Code] = i
			out = append(out, fact.Gap{Code: g.Code})
		}
		out[i].Count += n
	}
	return out
}
