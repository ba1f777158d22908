package patterns

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"demine/internal/format/pattern"
)

// TestOwnBinary: demine holds nothing in clear that it takes for a miner, or
// it would accuse itself, and other scanners would take it away.
func TestOwnBinary(t *testing.T) {
	out := filepath.Join(t.TempDir(), "demine")
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./cmd/demine")
	c.Dir, c.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	ps, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	set, err := pattern.Compile(ps)
	if err != nil {
		t.Fatal(err)
	}
	set.Scan(b, func(id, off int) {
		if p := set.At(id); p.Strength != pattern.Weak {
			t.Errorf("%s (%s) at %d", p.ID, p.Strength, off)
		}
	})
}
