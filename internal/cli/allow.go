package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/judge"
	"demine/internal/report"
	"demine/internal/store"
)

type allowFlags struct {
	json            bool
	why, until, end string
}

// maxAllow is how long a miner can be allowed at most: what nobody asks about
// once a year has no owner.
const maxAllow = 366 * 24 * time.Hour

func (a *app) allowCommand() *cobra.Command {
	f := &allowFlags{}
	cmd := &cobra.Command{
		Use: "allow [FINDING]", Short: a.c.Say("help.allow"), Long: a.c.Say("help.allow.long"), Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return a.allow(cmd.Context(), args, f) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().StringVar(&f.why, "why", "", a.c.Say("help.flag.why"))
	cmd.Flags().StringVar(&f.until, "until", "", a.c.Say("help.flag.until"))
	cmd.Flags().StringVar(&f.end, "end", "", a.c.Say("help.flag.end"))
	return cmd
}

// allow lists what is allowed, allows the miner of a finding, or ends that.
func (a *app) allow(ctx context.Context, args []string, f *allowFlags) error {
	ag, err := a.agent()
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0 && f.end == "" && f.why+f.until == "":
		return a.showAllowed(ag, f.json)
	case f.end != "" && len(args) == 0:
		return a.disallow(ctx, ag, f)
	case len(args) == 0 || f.end != "" || f.why == "":
		return misused(allowExample, "cli.allow-how")
	}
	until, ok := a.day(f.until)
	if !ok {
		return misused(allowExample, "cli.bad-until", "value", f.until)
	}
	t := a.comment()
	t.begin()
	al, err := ag.Allow(ctx, args[0], f.why, until, t.event)
	t.end()
	if errors.Is(err, agent.ErrNoFinding) {
		return failed("cli.no-such", "id", args[0])
	}
	if err != nil {
		return a.stopped(ctx, err)
	}
	if f.json {
		return report.AllowancesJSON(a.out, []judge.Allowance{al})
	}
	return report.Allowances(a.out, []judge.Allowance{al}, a.options())
}

const allowExample = `demine allow F-1a2b3c4d --why "the owner's rig, ticket 812" --until 2026-12-31`

func (a *app) showAllowed(ag *agent.Agent, json bool) error {
	as, err := ag.Allowances()
	if err != nil {
		return err
	}
	if json {
		return report.AllowancesJSON(a.out, as)
	}
	return report.Allowances(a.out, as, a.options())
}

func (a *app) disallow(ctx context.Context, ag *agent.Agent, f *allowFlags) error {
	err := ag.Disallow(f.end)
	if errors.Is(err, store.ErrNone) {
		return failed("cli.no-such", "id", f.end)
	}
	if err != nil {
		return a.stopped(ctx, err)
	}
	return a.showAllowed(ag, f.json)
}

// day reads a day, which ends what is allowed at its end in the host's zone.
func (a *app) day(s string) (time.Time, bool) {
	now := a.now()
	t, err := time.ParseInLocation(time.DateOnly, s, now.Location())
	t = t.AddDate(0, 0, 1)
	return t, err == nil && t.After(now) && t.Sub(now) <= maxAllow
}
