package observe

import (
	"context"
	"path/filepath"
	"testing"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

// lookAt runs observers over testdata/NAME.txtar, and account first when the
// fixture has accounts. Coverage of the last one is given too.
func lookAt(t *testing.T, name string, base fact.Snapshot, obs ...*Observer) (*fact.Snapshot, fact.Coverage) {
	t.Helper()
	h, err := fixture.Load(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	return lookAtHost(t, h, base, obs...)
}

func lookAtHost(t *testing.T, h *host.Host, base fact.Snapshot, obs ...*Observer) (*fact.Snapshot, fact.Coverage) {
	t.Helper()
	if _, err := h.Files.Stat("/etc/passwd"); err == nil {
		obs = append([]*Observer{account}, obs...)
	}
	s := Run(context.Background(), h, obs, Scope{}, &base)
	c := s.Coverage[len(s.Coverage)-1]
	for _, g := range c.Gaps {
		if g.Code == "panic" {
			t.Fatalf("%s: %s", c.Observer, g.Detail)
		}
	}
	return s, c
}

// gaps are the codes and places of what was not seen.
func gaps(c fact.Coverage) []string {
	var out []string
	for _, g := range c.Gaps {
		out = append(out, g.Code+" "+g.What)
	}
	return out
}

func initAnd(ps ...fact.Process) fact.Snapshot {
	return fact.Snapshot{Process: append([]fact.Process{{PID: 1, Comm: "systemd", Ref: "process:1"}}, ps...)}
}
