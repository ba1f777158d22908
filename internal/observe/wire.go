package observe

import (
	"context"

	"demine/internal/fact"
)

var wire = &Observer{
	Name: "wire",
	Doc:  "nothing yet",
	Sees: []string{fact.KindFlow},
	See:  func(context.Context, *View, *fact.Snapshot, Scope) (Part, error) { return Part{Absent: true}, nil },
}
