package agent

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/observe"
	"demine/internal/relate"
	"demine/internal/respond"
	"demine/internal/store"
)

// Settings of an Agent that changes its host.
type Settings struct {
	State   string // folder of demine's own state; empty: /var/lib/demine, or /run/demine
	Version string
	Lang    string // of what the keeper of leases tells people; empty: English
}

// With gives the Agent with other settings.
func (a *Agent) With(s Settings) *Agent {
	b := *a
	b.settings = s
	return &b
}

// ErrNotRoot: only root changes a host.
var ErrNotRoot = errors.New("only root can change the host")

// Plan implements API.
func (a *Agent) Plan(ctx context.Context, r respond.Request, ev func(Event)) (respond.Plan, *explain.Scan, error) {
	// Who contains is in a fight: no server is asked anything, which host
	// intrusion detection may take for part of it.
	s, err := a.Look(ctx, Want{KeepSnapshot: true, Wire: r.Wire, NoProbe: r.Kind == respond.KindContain}, ev)
	if err != nil {
		return respond.Plan{}, s, err
	}
	p, err := a.PlanOf(ctx, s, r)
	return p, s, err
}

// PlanOf makes a plan of a Scan of this host that was just made, with its
// snapshot.
func (a *Agent) PlanOf(ctx context.Context, s *explain.Scan, r respond.Request) (respond.Plan, error) {
	p := respond.Make(s, r)
	if len(r.Incidents)+len(r.Findings)+len(r.Rules) == 0 { // else only what was asked for
		if runs, err := a.Runs(ctx); err == nil {
			respond.Carry(&p, runs)
		}
	}
	err := respond.Survey(ctx, a.h, &p)
	return p, err
}

// Apply implements API.
func (a *Agent) Apply(ctx context.Context, p respond.Plan, ev func(Event)) (respond.Run, error) {
	if err := a.fresh(p); err != nil {
		return respond.Run{}, err
	}
	contain := p.Kind == respond.KindContain
	st, err := a.open(contain)
	if err != nil {
		return respond.Run{}, err
	}
	defer st.Close()
	by := a.operator(ctx)
	lock, err := st.Lock(holder(by, p.Kind, a.h.Now()))
	if err != nil {
		return respond.Run{}, err
	}
	defer lock.Release()
	outliveTerminal()
	defer a.raise()()
	if !contain { // that must not wait for anything
		a.settled(ctx, st)
	}
	if err := respond.Check(ctx, a.h, &p); err != nil {
		return respond.Run{}, err
	}
	run, err := st.Begin(p, by)
	if err != nil {
		return respond.Run{}, fmt.Errorf("journal: %w", err)
	}
	_ = lock.Tell(run, p.Kind) // who looks at the lock sees it a moment later
	if err := a.arm(run, p); err != nil {
		return respond.Run{}, errors.Join(err, st.Append(run, respond.Record{Kind: respond.RecEnd, At: a.h.Now()}))
	}
	_, err = respond.Apply(ctx, a.writer(st), st, run, p, func(pr respond.Progress) { ev(Event{Kind: "step", Step: &pr}) })
	if why, lost := st.Volatile(); lost { // known last: a disk may fill up in between
		ev(Event{Kind: "note", Note: why})
	}
	r, rerr := a.run(st, run)
	return r, errors.Join(err, rerr)
}

// outliveTerminal: a login that ends must not cut a change in two.
func outliveTerminal() { signal.Ignore(unix.SIGHUP) }

// fresh refuses a plan of another host or boot, and one that is too old.
func (a *Agent) fresh(p respond.Plan) error {
	id, err := a.h.Kernel.Identity()
	if err != nil {
		return err
	}
	if id.UID != 0 {
		return ErrNotRoot
	}
	id.Boot = a.boot()
	return p.Stale(a.h.Now(), id)
}

// boot is the id of this boot of the kernel.
func (a *Agent) boot() string {
	b, _, err := a.h.Files.ReadFile("/proc/sys/kernel/random/boot_id", 64)
	if err != nil {
		return ""
	}
	return string(trimLine(b))
}

func trimLine(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == ' ') {
		b = b[:len(b)-1]
	}
	return b
}

// open opens the state folder. What contain does is gone with a reboot in any
// case: its record lies in /run, which needs no disk.
func (a *Agent) open(volatile bool) (*store.Store, error) {
	if volatile && a.settings.State == "" {
		return store.OpenVolatile("", store.Options{})
	}
	return store.Open(a.settings.State, store.Options{})
}

func (a *Agent) writer(st *store.Store) *respond.Writer {
	return respond.Live(a.h, st, st.Dir(), a.log)
}

// run gives a run as its journal tells it; of one that is damaged, with the
// error, what stands before the damage.
func (a *Agent) run(st *store.Store, id string) (respond.Run, error) {
	rs, err := st.Records(id)
	if len(rs) == 0 {
		return respond.Run{}, err
	}
	return respond.Fold(id, rs), err
}

// operator is who runs demine, as the kernel tells it.
func (a *Agent) operator(ctx context.Context) respond.Operator {
	var obs []*observe.Observer
	for _, o := range observe.All {
		if named("host", "account", "process", "socket")(o) {
			obs = append(obs, o)
		}
	}
	snap := observe.Run(ctx, a.h, obs, observe.Scope{}, nil)
	return a.operatorOf(snap)
}

func (a *Agent) operatorOf(snap *fact.Snapshot) respond.Operator {
	return operatorIn(relate.New(snap), a.settings.Version)
}

func operatorIn(x *relate.Index, version string) respond.Operator {
	by := respond.Operator{UID: x.S.Host.UID, PID: x.S.Host.Self, Version: version}
	me := x.Me()
	if me.SSHD != nil {
		by.Session, by.Since = string(me.SSHD.Ref), me.SSHD.Started
	} else if p := multiplexer(x); p != nil {
		by.Session, by.Since = string(p.Ref), p.Started
	}
	if me.Peer != nil {
		by.Peer = me.Peer.Peer.Unmap().String()
	}
	return by
}

// multiplexer is a terminal multiplexer that demine runs in, or nil. It goes on
// when a login ends, so that being in it proves no login, and it is no console.
func multiplexer(x *relate.Index) *fact.Process {
	self := x.PID(x.S.Host.Self)
	if self == nil {
		return nil
	}
	for _, p := range x.Ancestors(self) {
		switch strings.ToLower(p.Comm) {
		case "screen", "tmux", "tmux: server", "zellij", "dtach", "abduco":
			return p
		}
	}
	return nil
}

func holder(by respond.Operator, kind string, now time.Time) store.Holder {
	return store.Holder{PID: by.PID, UID: by.UID, Peer: by.Peer, Kind: kind, Since: now}
}
