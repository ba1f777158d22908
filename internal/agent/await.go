package agent

import (
	"context"
	"time"

	"demine/internal/explain"
	"demine/internal/judge"
)

// Longest wait for the next tick of a removed job, time that the job then
// has to show itself, and time between two looks.
const (
	longestAwait = 10 * time.Minute
	tickGrace    = 20 * time.Second
	awaitPause   = 5 * time.Second
)

// NextTick is when the first job of the confirmed incidents would run again;
// zero when that is not known or too far away to wait for.
func NextTick(s *explain.Scan, now time.Time) time.Time {
	var next time.Time
	for _, in := range s.Incidents {
		if in.Certainty != judge.Confirmed {
			continue
		}
		for _, m := range in.Implants {
			for _, sc := range s.Schedule {
				if sc.Ref == m.Ref && sc.Next.After(now) && (next.IsZero() || sc.Next.Before(next)) {
					next = sc.Next
				}
			}
		}
	}
	if next.Sub(now) > longestAwait {
		return time.Time{}
	}
	return next
}

// Await watches until a while after a moment whether a confirmed miner comes
// back. It gives the Scan of what came back, or nil.
func (a *Agent) Await(ctx context.Context, until time.Time, ev func(Event)) (*explain.Scan, error) {
	end := until.Add(tickGrace)
	for {
		left := end.Sub(a.h.Now())
		if left <= 0 {
			return nil, nil
		}
		ev(Event{Kind: "await", Left: left})
		if s := a.returned(ctx); s != nil {
			return a.Look(ctx, Want{KeepSnapshot: true}, func(Event) {})
		}
		if err := a.h.Wait(ctx, min(awaitPause, left)); err != nil {
			return nil, err
		}
	}
}

// returned looks at processes and their images alone.
func (a *Agent) returned(ctx context.Context) *explain.Scan {
	snap := a.wave(ctx, waves[0].observers, nil, 0, Want{})
	snap = a.wave(ctx, waves[1].observers, snap, 8, Want{})
	return a.confirmed(ctx, snap)
}
