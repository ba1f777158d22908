package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/format/elf"
)

// TestLoaded: every byte that a segment covers is searched once, in whatever
// order the segments stand and however they overlap.
func TestLoaded(t *testing.T) {
	for name, c := range map[string]struct {
		loads []elf.Segment
		want  []span
	}{
		"plain":    {[]elf.Segment{{Off: 0, Size: 10}, {Off: 20, Size: 30, Exec: true}}, []span{{0, 10, false}, {20, 50, true}}},
		"packed":   {[]elf.Segment{{Off: 0, Size: 4}, {Off: 0, Size: 90, Exec: true}}, []span{{0, 4, false}, {4, 90, true}}},
		"order":    {[]elf.Segment{{Off: 50, Size: 10}, {Off: 0, Size: 20, Exec: true}}, []span{{0, 20, true}, {50, 60, false}}},
		"inside":   {[]elf.Segment{{Off: 0, Size: 80}, {Off: 10, Size: 5, Exec: true}}, []span{{0, 80, false}}},
		"beyond":   {[]elf.Segment{{Off: 90, Size: 1 << 63}, {Off: 1 << 63, Size: 1 << 63}}, []span{{90, 100, false}}},
		"overflow": {[]elf.Segment{{Off: 10, Size: 1<<64 - 5}}, []span{{10, 100, false}}},
	} {
		if d := cmp.Diff(c.want, loaded(c.loads, 100), cmp.AllowUnexported(span{})); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
