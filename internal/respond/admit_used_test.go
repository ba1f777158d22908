package respond

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What conntrack has of a lease is counted while it lasts, also of a container's
// port, and nothing is said where conntrack has nothing.
func TestUsed(t *testing.T) {
	for _, h := range leaseHosts() {
		t.Run(h.name, func(t *testing.T) {
			l := newFilterLab(t)
			h.load(l)
			a4, a6 := h.admission("L-4", labApp4+"/32", time.Hour), h.admission("L-6", labApp6+"/64", time.Hour)
			used := func() (out map[string]int, err error) {
				l.must(func() error {
					out, err = LiveFilter().Used(context.Background(), []Admission{a4, a6})
					return nil
				})
				return out, err
			}
			if _, err := used(); !errors.Is(err, ErrUnavailable) {
				t.Errorf("nothing is tracked, and it says %v", err)
			}
			l.admit(h, a4, a6)
			first, second := l.mustReach(labApp4, h.port), l.mustReach(labApp4, h.port)
			if got, err := used(); err != nil || !cmp.Equal(got, map[string]int{"L-4": 2}) {
				t.Errorf("%v, %v", got, err)
			}
			_ = first.Close()
			left := map[string]int{}
			for i := 0; i < 10_000 && left["L-4"] != 1; i++ { // the server's end of it takes a moment
				left, _ = used()
			}
			if !cmp.Equal(left, map[string]int{"L-4": 1}) {
				t.Errorf("one was closed: %v", left)
			}
			_ = second.Close()
		})
	}
}
