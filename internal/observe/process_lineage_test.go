package observe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

// Who runs demine is found among the processes above it; no other is read.
func TestLineage(t *testing.T) {
	child := strings.Replace(running(900, 900), "S 1 1", "S 40 1", 1)
	above := strings.Replace(running(40, 40), "S 1 1", "S 1 1", 1)
	first := strings.Replace(running(1, 1), "S 1 1", "S 0 1", 1)
	for name, c := range map[string]struct {
		text string
		want []int
	}{
		"whole":            {child + above + first + running(7, 7), []int{900, 40, 1}},
		"one is not there": {child + first, []int{900}},
		"a circle":         {strings.Replace(child, "S 40 1", "S 900 1", 1), []int{900}},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := fixture.Parse([]byte("-- kernel/identity --\nself=900\n" + c.text))
			if err != nil {
				t.Fatal(err)
			}
			s := Run(t.Context(), h, []*Observer{hostinfo, account, process}, Scope{Lineage: true}, nil)
			if diff := cmp.Diff(c.want, pids(s.Process)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func pids(ps []fact.Process) (out []int) {
	for i := range ps {
		out = append(out, ps[i].PID)
	}
	return out
}
