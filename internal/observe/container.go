package observe

import (
	"context"

	"demine/internal/fact"
)

var container = &Observer{
	Name: "container",
	Doc:  "nothing yet",
	Sees: []string{fact.KindContainer},
	See:  func(context.Context, *View, *fact.Snapshot, Scope) (Part, error) { return Part{Absent: true}, nil },
}
