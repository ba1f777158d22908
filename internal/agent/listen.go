package agent

import (
	"context"

	"demine/internal/fact"
	"demine/internal/observe"
	"demine/internal/relate"
)

// listen hears what those worth a look say on the wire: last, when it is known
// who that is.
func (a *Agent) listen(ctx context.Context, snap *fact.Snapshot, w Want, ev func(Event)) *fact.Snapshot {
	ev(Event{Kind: "listening", Left: w.Wire})
	sc := observe.Scope{Images: relate.WorthALook(relate.New(snap)).Images, Wire: w.Wire}
	return observe.Run(ctx, a.h, observers(named("wire")), sc, snap)
}
