// Package agent is all of demine for one host behind one interface: the
// command line, the fleet and the console speak to a host through API and
// nothing else.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"demine/causes"
	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/observe"
	"demine/internal/relate"
	"demine/internal/respond"
	"demine/rules"
)

// API is what can be asked of a host.
type API interface {
	// Look examines the host and tells on the way what is known so far. The
	// Scan is valid also when the error is not nil: it holds what was seen until
	// then.
	Look(ctx context.Context, w Want, ev func(Event)) (*explain.Scan, error)
	// Plan looks, and says what would be changed and what not. Nothing is changed.
	Plan(ctx context.Context, r respond.Request, ev func(Event)) (respond.Plan, *explain.Scan, error)
	// Apply applies a plan. The Run is valid also with an error of package
	// respond (ErrPartly, ErrRolledBack, ErrDrifted); ErrStale, ErrNotRoot and
	// store.ErrBusy come before anything was done.
	Apply(ctx context.Context, p respond.Plan, ev func(Event)) (respond.Run, error)
	// Undo undoes a run, or the last one that changed something.
	Undo(ctx context.Context, run string, opt respond.UndoOptions, ev func(Event)) (respond.Run, []respond.Outcome, error)
	// Confirm makes a run stay that would undo itself, or the last such.
	Confirm(ctx context.Context, run string, ev func(Event)) (respond.Run, error)
	// Runs gives all runs, oldest first.
	Runs(ctx context.Context) ([]respond.Run, error)
}

// Want says what to look at.
type Want struct {
	KeepSnapshot bool          // leave the facts in the Scan
	Wire         time.Duration // how long to listen for the Stratum protocol; 0: not
	Deep         []fact.Path   // folders and files to search whole
	Yara         *YaraRules    // rules for what is searched; nil: none
	NoProbe      bool          // ask no server on the host anything
}

// Event tells how far a look is. Kinds: started, wave (one of Total is done),
// finding (the first confirmed one; Scan holds it), done; of a change: step, and
// note (what the operator must know of it); of waiting for a tick: await; of a
// search of folders: deep; listening on the wire begins, for Left: listening.
type Event struct {
	Kind        string
	Wave        string
	Done, Total int
	Scan        *explain.Scan
	Step        *respond.Progress
	Note        i18n.Message
	Left        time.Duration
	Files,
	Bytes int64 // that were searched in folders so far
}

// Agent examines one host.
type Agent struct {
	h        *host.Host
	log      *slog.Logger
	rules    []*judge.Rule
	causes   func() ([]*explain.Hypothesis, error)
	settings Settings
	began    time.Time     // when it was made, with the monotonic clock
	raise    func() func() // puts demine ahead of others; gives what undoes it
}

var _ API = (*Agent)(nil)

// New loads the content and makes an Agent for a host.
func New(h *host.Host, log *slog.Logger) (*Agent, error) {
	rs, err := judge.LoadRules(rules.FS)
	if err != nil {
		return nil, fmt.Errorf("load rules: %w", err)
	}
	raise := func() func() { return func() {} }
	if h.Name == "live" {
		raise = host.RaisePriority
	}
	return &Agent{h: h, log: log, rules: rs, causes: loadCauses, raise: raise, began: h.Now()}, nil
}

// loadCauses is for the end of a look: compiling them takes longer than finding
// a miner may.
var loadCauses = sync.OnceValues(func() ([]*explain.Hypothesis, error) { return explain.LoadCauses(causes.FS) })

// Rules gives the rules in force.
func (a *Agent) Rules() []*judge.Rule { return a.rules }

// The waves of a look: first what proves a miner at once, then who hides (what
// is sampled next is theirs too), then everything that is cheap, then what the
// facts point at, last the programs that nobody answers for.
var waves = []struct {
	name      string
	observers func(*observe.Observer) bool
	images    int // how many images are searched, the busiest first
}{
	{"processes", named("host", "account", "process"), 0},
	{"busiest", named("image"), 3},
	{"hidden", named("hidden"), 0},
	{"host", func(o *observe.Observer) bool {
		return !named("host", "account", "process", "hidden", "shape", "image", "file", "package", "memory", "wire", "servicelog", "packagelog")(o)
	}, 0},
	{"files", named("file", "package"), 0},
	{"images", named("image"), math.MaxInt},
	{"memory", named("memory", "shape"), math.MaxInt}, // which of them are packed is known now
}

// unaccounted: the CPUs did more than all who were seen, by a quarter of one.
// Then who hides is looked for once more, with what costs more to ask.
func unaccounted(s *fact.Snapshot) bool { return s.Load.Unseen*float64(s.Host.CPUs) >= 25 }

func named(names ...string) func(*observe.Observer) bool {
	return func(o *observe.Observer) bool {
		for _, n := range names {
			if o.Name == n {
				return true
			}
		}
		return false
	}
}

// Look implements API.
func (a *Agent) Look(ctx context.Context, w Want, ev func(Event)) (*explain.Scan, error) {
	begin := time.Now()
	defer a.raise()()
	total := len(waves)
	for _, more := range []bool{w.Wire > 0, len(w.Deep) > 0} {
		if more {
			total++
		}
	}
	ev(Event{Kind: "started", Total: total})
	var snap *fact.Snapshot
	var first time.Duration
	for i, wv := range waves {
		snap = a.wave(ctx, wv.observers, snap, wv.images, w)
		if wv.name == "host" && unaccounted(snap) {
			snap = a.wave(ctx, named("hidden"), snap, 0, w)
		}
		a.log.Debug("wave done", "wave", wv.name, "after", time.Since(begin))
		if wv.images > 0 && first == 0 && i < len(waves)-1 {
			if s := a.confirmed(ctx, snap); s != nil {
				first = time.Since(begin)
				ev(Event{Kind: "finding", Wave: wv.name, Done: i + 1, Total: total, Scan: s})
			}
		}
		ev(Event{Kind: "wave", Wave: wv.name, Done: i + 1, Total: total})
	}
	if w.Wire > 0 {
		snap = a.listen(ctx, snap, w, ev)
		ev(Event{Kind: "wave", Wave: "wire", Done: len(waves) + 1, Total: total})
	}
	if len(w.Deep) > 0 {
		snap = a.deep(ctx, snap, w, ev)
		ev(Event{Kind: "wave", Wave: "deep", Done: total, Total: total})
	}
	snap = a.traces(ctx, snap)
	s, err := a.tell(ctx, snap)
	if s != nil {
		s.Took = took(begin)
		s.Took.FirstMS = first.Milliseconds()
		if w.KeepSnapshot {
			s.Snapshot = snap
		}
	}
	ev(Event{Kind: "done", Done: total, Total: total, Scan: s})
	return s, err
}

// wave runs the observers of a wave with a scope from what is known. Coverage
// of an observer that runs in two waves is that of the last.
func (a *Agent) wave(ctx context.Context, pick func(*observe.Observer) bool, snap *fact.Snapshot, images int, w Want) *fact.Snapshot {
	var sc observe.Scope
	if snap != nil {
		l := relate.WorthALook(relate.New(snap))
		sc = observe.Scope{
			Images: l.Images[:min(images, len(l.Images))], Files: l.Files,
			Memory: l.Memory[:min(images, len(l.Memory))], Whole: l.Whole, Shapes: l.Shapes, Yara: w.Yara, NoProbe: w.NoProbe,
		}
	}
	return observe.Run(ctx, a.h, observers(pick), sc, snap)
}

// confirmed judges what is known so far and gives a Scan if it holds a
// confirmed miner.
func (a *Agent) confirmed(ctx context.Context, snap *fact.Snapshot) *explain.Scan {
	x := relate.New(snap)
	r, err := judge.Judge(ctx, a.early(), x)
	if err != nil {
		return nil
	}
	r = judge.Allow(r, x, a.allowances(), snap.Taken)
	for _, f := range r.Findings {
		if f.Certainty == judge.Confirmed {
			s, _ := explain.Explain(ctx, x, r, nil)
			return s
		}
	}
	return nil
}

// early are the rules that can confirm before all was seen: those of miners.
func (a *Agent) early() []*judge.Rule {
	var out []*judge.Rule
	for _, r := range a.rules {
		if explain.IsMining(r.ID) {
			out = append(out, r)
		}
	}
	return out
}

// tell judges and explains; with the context ended it still tells what is
// known, and says that it was interrupted.
func (a *Agent) tell(ctx context.Context, snap *fact.Snapshot) (*explain.Scan, error) {
	tellCtx := context.WithoutCancel(ctx)
	cs, err := a.causes()
	if err != nil {
		return nil, fmt.Errorf("load causes: %w", err)
	}
	s, err := Rejudge(tellCtx, snap, a.rules, cs, a.allowances())
	if err != nil {
		return s, err
	}
	return s, ctx.Err()
}

// Rejudge judges and explains a stored snapshot with the rules of today; what
// was allowed when it was taken is let be.
func Rejudge(ctx context.Context, snap *fact.Snapshot, rs []*judge.Rule, cs []*explain.Hypothesis, as []judge.Allowance) (*explain.Scan, error) {
	x := relate.New(snap)
	r, err := judge.Judge(ctx, rs, x)
	if err != nil {
		return nil, err
	}
	return explain.Explain(ctx, x, judge.Allow(r, x, as, snap.Taken), cs)
}

func took(begin time.Time) explain.Took {
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &ru)
	ms := func(t unix.Timeval) int64 { return t.Sec*1000 + t.Usec/1000 }
	return explain.Took{WallMS: time.Since(begin).Milliseconds(), CPUMS: ms(ru.Utime) + ms(ru.Stime), PeakKiB: ru.Maxrss}
}
