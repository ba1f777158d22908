package agent

import (
	"context"
	"time"

	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/observe"
	"demine/internal/relate"
)

// tracesTime bounds how long logs are read: what else is known is told then.
const tracesTime = 4 * time.Second

// traces reads the logs far back, and those of services, when there is an
// attack to be explained. On other hosts they tell of attempts alone, which
// every host on the internet sees, and cost the most to read.
func (a *Agent) traces(ctx context.Context, snap *fact.Snapshot) *fact.Snapshot {
	x := relate.New(snap)
	r, err := judge.Judge(ctx, a.rules, x)
	if err != nil {
		return snap
	}
	for _, f := range judge.Allow(r, x, a.allowances(), snap.Taken).Findings {
		if f.Class == judge.Attack {
			ctx, cancel := context.WithTimeout(ctx, tracesTime)
			defer cancel()
			return observe.Run(ctx, a.h, observers(named("log", "servicelog", "audit", "packagelog")), observe.Scope{Traces: true}, snap)
		}
	}
	return snap
}
