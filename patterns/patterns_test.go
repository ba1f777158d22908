package patterns

import (
	"os"
	"testing"

	"demine/internal/format/pattern"
)

// TestLoad: the list is there, compiles, and IDs are in order. What each
// pattern finds is tested beside the generator, which reads the samples.
func TestLoad(t *testing.T) {
	ps, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pattern.Compile(ps); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(ps); i++ {
		if ps[i-1].ID >= ps[i].ID {
			t.Errorf("%s stands before %s", ps[i-1].ID, ps[i].ID)
		}
	}
}

func BenchmarkScan(b *testing.B) {
	ps, err := Load()
	if err != nil {
		b.Fatal(err)
	}
	set, err := pattern.Compile(ps)
	if err != nil {
		b.Fatal(err)
	}
	data := program(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		set.Scan(data, func(int, int) {})
	}
}

// program is this test's own binary: real code, not random bytes.
func program(b *testing.B) []byte {
	b.Helper()
	name, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	return data
}
