package agent

import (
	"os"
	"testing"

	"demine/internal/format/pattern"
	"demine/patterns"
)

// The program that runs has all of demine in it, and none of what tells a miner
// stands in it in clear: it would be taken for one, by itself too.
func TestNotAMiner(t *testing.T) {
	ps, err := patterns.Load()
	if err != nil {
		t.Fatal(err)
	}
	set, err := pattern.Compile(ps)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	set.Scan(b, func(id, off int) {
		if p := set.At(id); p.Strength != pattern.Weak {
			t.Errorf("%s stands in clear at %d: %q", p.ID, off, b[max(0, off-40):min(len(b), off+60)])
		}
	})
}
