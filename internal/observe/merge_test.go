package observe

import (
	"testing"

	"demine/internal/fact"
)

// TestTogether: observers that look at the same process at the same time do not
// take away what the other saw.
func TestTogether(t *testing.T) {
	seen := fact.Process{Ref: "process:1", Comm: "x"}
	a, b := seen, seen
	a.Shape, b.Memory = &fact.Shape{Busy: 1}, &fact.Memory{Bytes: 2}
	for _, order := range [][]fact.Process{{a, b}, {b, a}} {
		s := &fact.Snapshot{Process: []fact.Process{seen}}
		for _, p := range order {
			merge(s, Part{Process: []fact.Process{p}})
		}
		if p := s.Process[0]; len(s.Process) != 1 || p.Shape == nil || p.Memory == nil {
			t.Errorf("%+v", p)
		}
	}
}
