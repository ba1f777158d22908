package cli

import (
	"context"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"demine/internal/explain"
	"demine/internal/report"
	"demine/internal/respond"
	"demine/internal/store"
)

// reportFormats are what --format takes; json is the look itself.
var reportFormats = []string{report.PageText, report.PageMarkdown, report.PageHTML, "json"}

type reportFlags struct {
	format, from, out string
	redact            bool
}

func (a *app) reportCommand() *cobra.Command {
	f := &reportFlags{}
	cmd := &cobra.Command{
		Use: "report", Short: a.c.Say("help.report"), Long: a.c.Say("help.report.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.report(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.format, "format", "text", a.c.Say("help.flag.format"))
	cmd.Flags().BoolVar(&f.redact, "redact", false, a.c.Say("help.flag.redact"))
	cmd.Flags().StringVar(&f.from, "from", "", a.c.Say("help.flag.from"))
	cmd.Flags().StringVarP(&f.out, "output", "o", "", a.c.Say("help.flag.output"))
	a.complete(cmd, "format", reportFormats...)
	return cmd
}

func (a *app) report(ctx context.Context, f *reportFlags) error {
	if f.format == "md" {
		f.format = report.PageMarkdown
	}
	if !slices.Contains(reportFormats, f.format) {
		return misused("demine report --format html", "cli.bad-format", "value", f.format)
	}
	if f.format == "json" && f.redact {
		return misused("demine report --redact --format html", "cli.json-redact")
	}
	now, err := a.see(ctx, f.from, true)
	if err != nil {
		return err
	}
	page := report.Page{Format: f.format, Redact: f.redact}
	s, runs, err := a.storyOf(now, f.from)
	if err != nil {
		return err
	}
	if s != now {
		page.After = now
	}
	out := a.out
	if f.out != "" && f.out != "-" {
		file, err := os.OpenFile(f.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		out = file
	}
	if f.format == "json" {
		return report.JSON(out, s)
	}
	return report.OnePage(out, s, runs, a.options(), page)
}

// storyOf gives the look that the report is about, and what was done since: where
// nothing is found any more, the last look that something was done about.
func (a *app) storyOf(now *explain.Scan, from string) (*explain.Scan, []respond.Run, error) {
	if from != "" {
		return now, nil, nil
	}
	ag, err := a.agent()
	if err != nil {
		return nil, nil, err
	}
	runs, err := ag.Runs(context.Background())
	if err != nil {
		return nil, nil, err
	}
	if len(now.Incidents) > 0 {
		return now, runs, nil
	}
	s, err := ag.Remembered()
	if errors.Is(err, store.ErrNone) {
		return now, runs, nil
	}
	return s, runs, err
}
