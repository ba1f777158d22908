package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/explain"
	"demine/internal/report"
)

type scanFlags struct {
	json, snapshot bool
	failOn, from   string
	deep, yara     []string
	wire           time.Duration
}

func (a *app) scanCommand() *cobra.Command {
	f := &scanFlags{}
	cmd := &cobra.Command{
		Use: "scan", Short: a.c.Say("help.scan"), Long: a.c.Say("help.scan.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.scan(cmd.Context(), f) },
	}
	a.addScanFlags(cmd, f)
	return cmd
}

func (a *app) addScanFlags(cmd *cobra.Command, f *scanFlags) {
	cmd.Flags().BoolVar(&f.json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().BoolVar(&f.snapshot, "snapshot", false, a.c.Say("help.flag.snapshot"))
	cmd.Flags().StringVar(&f.failOn, "fail-on", "", a.c.Say("help.flag.fail-on"))
	cmd.Flags().StringVar(&f.from, "from", "", a.c.Say("help.flag.from"))
	cmd.Flags().StringArrayVar(&f.deep, "deep", nil, a.c.Say("help.flag.deep"))
	cmd.Flags().StringArrayVar(&f.yara, "yara", nil, a.c.Say("help.flag.yara"))
	a.wireFlag(cmd, &f.wire)
	a.probeFlag(cmd)
	a.complete(cmd, "fail-on", "posture")
}

func (a *app) scan(ctx context.Context, f *scanFlags) error {
	switch {
	case f.failOn != "" && f.failOn != "posture":
		return misused("demine scan --fail-on posture", "cli.bad-fail-on", "value", f.failOn)
	case f.from != "" && len(f.deep)+len(f.yara) > 0:
		return misused("demine scan --help", "cli.deep-from")
	case f.from != "" && f.wire != 0:
		return misused("demine scan --wire 30s", "cli.wire-stored")
	case f.snapshot && !f.json:
		return misused("demine scan --json --snapshot", "cli.no-snapshot")
	}
	if err := checkWire("scan", f.wire); err != nil {
		return err
	}
	want := agent.Want{KeepSnapshot: f.snapshot || !f.json, Wire: f.wire}
	if err := a.deep(f, &want); err != nil {
		return err
	}
	s, err := a.seeAll(ctx, f.from, want)
	if err != nil {
		return err
	}
	a.exit(exitOf(s, f.failOn == "posture"))
	if !f.json {
		if err := report.Text(a.out, s, a.options()); err != nil || f.from != "" || a.code == exitInterrupted {
			return err
		}
		return a.offer(ctx, s)
	}
	return report.JSON(a.out, a.forScripts(s, f.snapshot))
}

// forScripts is the Scan with the exit status that the command ends with, and
// with the facts only when asked for.
func (a *app) forScripts(s *explain.Scan, snapshot bool) *explain.Scan {
	o := *s
	o.Exit = a.code
	if !snapshot {
		o.Snapshot = nil
	}
	return &o
}
