package cli

import (
	"context"

	"demine/internal/agent"
	"demine/internal/explain"
)

// see gives the Scan to print: of this host, or stored. When the look was
// interrupted it is what was found until then.
func (a *app) see(ctx context.Context, from string, snapshot bool) (*explain.Scan, error) {
	return a.seeAll(ctx, from, agent.Want{KeepSnapshot: snapshot})
}

// seeAll is see with more to look at.
func (a *app) seeAll(ctx context.Context, from string, want agent.Want) (*explain.Scan, error) {
	if from != "" {
		if a.noProbe {
			return nil, misused("demine --help", "cli.no-probe-stored")
		}
		return a.stored(ctx, from)
	}
	want.NoProbe = a.noProbe
	t := a.comment()
	t.begin()
	s, err := a.examine(ctx, want, t.event)
	t.end()
	switch {
	case s != nil && err != nil && ctx.Err() != nil:
		a.talk(a.c.Say("cli.interrupted"))
		a.code = exitInterrupted
		return s, nil
	case ctx.Err() != nil && err != nil:
		a.code = exitInterrupted
		return nil, failed("cli.interrupted-early")
	case err != nil:
		return nil, err
	}
	return s, nil
}

func (a *app) examine(ctx context.Context, w agent.Want, ev func(agent.Event)) (*explain.Scan, error) {
	if a.look != nil {
		return a.look(ctx, a.log, w, ev)
	}
	ag, err := a.agent()
	if err != nil {
		return nil, err
	}
	return ag.Look(ctx, w, ev)
}

// exit sets the exit status, unless the look was interrupted.
func (a *app) exit(code int) {
	if a.code != exitInterrupted {
		a.code = code
	}
}
