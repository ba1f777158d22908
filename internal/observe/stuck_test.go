package observe

import (
	"context"
	"testing"
	"time"

	"demine/internal/fact"
)

// An observer that never comes back (a dead NFS server) takes nothing else
// with it: what the others saw is told, and it is a gap.
func TestStuckObserver(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	obs := []*Observer{
		{Name: "stuck", Sees: []string{fact.KindKey}, See: func(context.Context, *View, *fact.Snapshot, Scope) (Part, error) {
			<-never
			return Part{Key: []fact.Key{{Ref: "key:late"}}}, nil
		}},
		{Name: "sees", See: func(context.Context, *View, *fact.Snapshot, Scope) (Part, error) {
			return Part{Process: []fact.Process{{Ref: "process:1"}}}, nil
		}},
		{Name: "after", Needs: []string{"stuck"}, See: func(_ context.Context, _ *View, in *fact.Snapshot, _ Scope) (Part, error) {
			return Part{Process: []fact.Process{{Ref: "process:2"}}}, nil
		}},
	}
	ended, end := context.WithCancel(context.Background())
	end()
	for name, c := range map[string]struct {
		ctx      context.Context
		patience time.Duration
	}{"out of patience": {context.Background(), 50 * time.Millisecond}, "interrupted": {ended, time.Hour}} {
		r := runner{snap: &fact.Snapshot{}, left: map[string]bool{"stuck": true, "sees": true, "after": true}, patience: c.patience}
		r.run(c.ctx, obs)
		if len(r.snap.Process) != 2 || len(r.snap.Key) != 0 {
			t.Errorf("%s: %+v", name, r.snap)
		}
		if cov := r.snap.Coverage[0]; cov.Observer != "stuck" || cov.State != fact.Failed || len(cov.Gaps) != 1 || cov.Gaps[0].Code != "timeout" {
			t.Errorf("%s: coverage %+v", name, cov)
		}
	}
}

// Who is left behind is told so: it does not go on for nobody.
func TestLeftBehindHears(t *testing.T) {
	heard := make(chan struct{})
	stuck := &Observer{Name: "stuck", See: func(ctx context.Context, _ *View, _ *fact.Snapshot, _ Scope) (Part, error) {
		<-ctx.Done()
		close(heard)
		return Part{}, ctx.Err()
	}}
	r := runner{snap: &fact.Snapshot{}, left: map[string]bool{"stuck": true}, patience: time.Millisecond}
	r.run(context.Background(), []*Observer{stuck})
	<-heard
}
