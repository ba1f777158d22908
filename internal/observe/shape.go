package observe

import (
	"context"

	"demine/internal/fact"
)

var shape = &Observer{
	Name: "shape",
	Doc:  "nothing yet",
	Sees: []string{fact.KindProcess},
	See:  func(context.Context, *View, *fact.Snapshot, Scope) (Part, error) { return Part{Absent: true}, nil },
}
