package cli

import (
	"context"
	"log/slog"
	"testing"

	"demine/internal/agent"
	"demine/internal/explain"
)

// --no-probe reaches the agent from every command that has it, and nothing else
// does; of a stored scan it makes no sense.
func TestNoProbe(t *testing.T) {
	for _, command := range [][]string{{}, {"scan"}, {"explain"}, {"exposure"}} {
		for _, quiet := range []bool{true, false} {
			var want agent.Want
			st := &stage{env: english()}
			st.look = func(_ context.Context, _ *slog.Logger, w agent.Want, _ func(agent.Event)) (*explain.Scan, error) {
				want = w
				return stored(t, "disk"), nil
			}
			args := command
			if quiet {
				args = append(args[:len(args):len(args)], "--no-probe")
			}
			if code := st.run(t.Context(), args...); code == exitUsage || want.NoProbe != quiet {
				t.Errorf("%v: exit %d, wants %+v", args, code, want)
			}
		}
		st := &stage{env: english()}
		if code := st.run(t.Context(), append(command[:len(command):len(command)], "--no-probe", "--from", "x")...); code != exitUsage {
			t.Errorf("%v with --from: exit %d", command, code)
		}
	}
}
