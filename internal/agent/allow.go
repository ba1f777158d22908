package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"demine/internal/judge"
	"demine/internal/relate"
	"demine/internal/respond"
	"demine/internal/store"
)

// ErrNoFinding: a look found nothing of that name.
var ErrNoFinding = errors.New("no such finding")

// Allowances gives what was allowed on this host, oldest first, ended ones too.
func (a *Agent) Allowances() ([]judge.Allowance, error) {
	st, err := store.Read(a.settings.State, store.Options{})
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return st.Allowances()
}

// allowances are for a look, in which trouble with them must not stand in the
// way: then nothing is allowed.
func (a *Agent) allowances() []judge.Allowance {
	as, err := a.Allowances()
	if err != nil {
		a.log.Debug("what was allowed", "error", err)
	}
	return as
}

// Allow looks, and lets the miner be that a finding accuses: its very content,
// run by the account that runs it now, until a day.
func (a *Agent) Allow(ctx context.Context, finding, why string, until time.Time, ev func(Event)) (judge.Allowance, error) {
	s, err := a.Look(ctx, Want{KeepSnapshot: true}, ev)
	if err != nil {
		return judge.Allowance{}, err
	}
	i := slices.IndexFunc(s.Findings, func(f judge.Finding) bool { return f.ID == finding })
	if i < 0 {
		return judge.Allowance{}, ErrNoFinding
	}
	al, ok := judge.CanAllow(s.Findings[i], relate.New(s.Snapshot))
	if !ok {
		return al, respond.Refuse("allow.cannot", "finding", finding, "rule", s.Findings[i].Rule)
	}
	al.Why, al.Until, al.Made, al.By = why, until, a.h.Now(), s.Operator.Peer
	err = a.allowing(func(st *store.Store) (err error) {
		al, err = st.Allow(al)
		return err
	})
	return al, err
}

// Disallow ends an allowance before its day.
func (a *Agent) Disallow(id string) error {
	return a.allowing(func(st *store.Store) error { return st.Disallow(id) })
}

// allowing changes the list as root, under the lock.
func (a *Agent) allowing(do func(*store.Store) error) error {
	if id, err := a.h.Kernel.Identity(); err != nil || id.UID != 0 {
		return errors.Join(err, ErrNotRoot)
	}
	st, err := a.open(false)
	if err != nil {
		return err
	}
	defer st.Close()
	lock, err := st.Lock(store.Holder{Kind: "allow", Since: a.h.Now()})
	if err != nil {
		return err
	}
	defer lock.Release()
	return do(st)
}
