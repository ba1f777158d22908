package cli

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/i18n"
	"demine/internal/lease"
)

// What was closed or withdrawn is told so, also when something else went wrong; what
// was not is not.
func TestClosedBesideError(t *testing.T) {
	for state, want := range map[string]string{
		lease.Closed: "L-7Q2KD is closed", lease.Withdrawn: "request L-7Q2KD is withdrawn", lease.Open: "", lease.Requested: "",
	} {
		st := &stage{env: english()}
		a := &app{log: slog.New(slog.DiscardHandler), c: i18n.Load("en"), world: world{out: &st.out, err: &st.err, now: time.Now,
			env: func(k string) string { return st.env[k] }, terminal: func(any) bool { return false }, width: func(any) int { return 0 }}}
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		le, unread := lease.Lease{ID: "L-7Q2KD", State: state}, errors.New("a rule that cannot be read")
		err := a.leaseChanged(cmd, &le, 0, &agent.Swept{}, unread, false, le.ID, closedSays(&le)...)
		if got := st.out.String(); !errors.Is(err, unread) || !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, %v", state, got, err)
		}
	}
}
