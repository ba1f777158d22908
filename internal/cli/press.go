package cli

import (
	"context"
	"errors"

	"demine/internal/explain"
	"demine/internal/judge"
	"demine/internal/respond"
)

// offer lets the operator contain what is confirmed with one key, from the
// first screen. Off a terminal the screen names the command.
func (a *app) offer(ctx context.Context, s *explain.Scan) error {
	if !a.terminal(a.in) || !a.terminal(a.out) || !a.asRoot || s.Snapshot == nil || !confirmedMiner(s) {
		return nil
	}
	a.talk(a.c.Say("cli.press-c"))
	if k := a.key(); k != 'c' && k != 'C' {
		return nil
	}
	ag, err := a.agent()
	if err != nil {
		return err
	}
	f := &changeFlags{}
	p, err := ag.PlanOf(ctx, s, respond.Request{Kind: respond.KindContain})
	if err == nil && a.now().Sub(s.Taken) > respond.MaxAge {
		err = respond.ErrStale
	}
	if errors.Is(err, respond.ErrStale) {
		return a.change(ctx, respond.KindContain, f)
	}
	if err != nil {
		return a.stopped(ctx, err)
	}
	code := a.code
	err = a.propose(ctx, ag, p, s, f)
	if a.code == exitNothing {
		a.code = code // the verdict of the look stays the exit status
	}
	return err
}

func confirmedMiner(s *explain.Scan) bool {
	for _, in := range s.Incidents {
		if in.Certainty == judge.Confirmed && s.Verdict == explain.Mining {
			return true
		}
	}
	return false
}
