package cli

import (
	"context"

	"github.com/spf13/cobra"

	"demine/internal/report"
	"demine/internal/respond"
	"demine/internal/store"
)

// runs gives the runs of this host, oldest first.
func (a *app) runs(ctx context.Context) ([]respond.Run, error) {
	ag, err := a.agent()
	if err != nil {
		return nil, err
	}
	return ag.Runs(ctx)
}

func (a *app) historyCommand() *cobra.Command {
	var json bool
	cmd := &cobra.Command{
		Use: "history", Short: a.c.Say("help.history"), Long: a.c.Say("help.history.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rs, err := a.runs(cmd.Context())
			if err != nil {
				return err
			}
			if json {
				return report.RunsJSON(a.out, rs)
			}
			return report.Runs(a.out, rs, a.options())
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	return cmd
}

func (a *app) showCommand() *cobra.Command {
	var json bool
	cmd := &cobra.Command{
		Use: "show [RUN]", Short: a.c.Say("help.show"), Long: a.c.Say("help.show.long"), Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			run, _, err := undoArgs(args)
			if err != nil {
				return err
			}
			rs, err := a.runs(cmd.Context())
			if err != nil {
				return err
			}
			for i := len(rs) - 1; i >= 0; i-- {
				if run == "" || rs[i].ID == run {
					return a.showRun(&rs[i], json)
				}
			}
			return failed("cli.no-run")
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	return cmd
}

func (a *app) showRun(r *respond.Run, json bool) error {
	if json {
		return report.RunJSON(a.out, r)
	}
	return report.Run(a.out, r, a.options())
}

// statusCommand says who is at it, and what waits for a confirmation.
func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: a.c.Say("help.status"), Long: a.c.Say("help.status.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ag, err := a.agent()
			if err != nil {
				return err
			}
			rs, err := ag.Runs(cmd.Context())
			if err != nil {
				return err
			}
			if h := ag.Busy(); h != nil {
				a.talk(a.clock().Say(atIt(h), "kind", h.Kind, "pid", h.PID, "peer", h.Peer, "since", h.Since))
			}
			var open []respond.Run
			for _, r := range rs {
				if r.State == respond.RunRunning || r.State == respond.RunUnconfirmed {
					open = append(open, r)
				}
			}
			if len(open) == 0 && len(rs) > 0 {
				open = rs[len(rs)-1:]
			}
			if len(open) == 0 {
				return report.Runs(a.out, nil, a.options())
			}
			for i := range open {
				if err := report.Run(a.out, &open[i], a.options()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// atIt: at a console, or with sudo that hides it, nobody knows from where.
func atIt(h *store.Holder) string {
	if h.Peer == "" {
		return "cli.at-it.here"
	}
	return "cli.at-it"
}
