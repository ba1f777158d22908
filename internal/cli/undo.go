package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/report"
	"demine/internal/respond"
)

type undoFlags struct {
	json, restore, reopen bool
	host                  string
}

func (a *app) undoCommand() *cobra.Command {
	f := &undoFlags{}
	cmd := &cobra.Command{
		Use: "undo [RUN] [STEP...]", Short: a.c.Say("help.undo"), Long: a.c.Say("help.undo.long"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.undo(cmd.Context(), args, f) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().BoolVar(&f.restore, "restore-implant", false, a.c.Say("help.flag.restore-implant"))
	cmd.Flags().BoolVar(&f.reopen, "reopen", false, a.c.Say("help.flag.reopen"))
	cmd.Flags().StringVar(&f.host, "host", "", a.c.Say("help.flag.host"))
	return cmd
}

var runName = regexp.MustCompile(`^[Rr][0-9]+$`)

// undoArgs reads the name of a run, if there is one, and numbers of steps.
func undoArgs(args []string) (run string, steps []int, err error) {
	if len(args) > 0 && runName.MatchString(args[0]) {
		run, args = "R"+args[0][1:], args[1:]
	}
	for _, s := range args {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return "", nil, misused("demine undo R7 3", "cli.bad-step", "value", s)
		}
		steps = append(steps, n)
	}
	return run, steps, nil
}

func (a *app) undo(ctx context.Context, args []string, f *undoFlags) error {
	run, steps, err := undoArgs(args)
	if err != nil {
		return err
	}
	if (f.restore || f.reopen) && !a.named(f.host) {
		return failed("cli.host-name", "host", a.host)
	}
	ag, err := a.agent()
	if err != nil {
		return err
	}
	r, _, err := ag.Undo(ctx, run, respond.UndoOptions{Steps: steps, RestoreImplant: f.restore, Reopen: f.reopen}, a.steps())
	if r.ID == "" {
		return a.stopped(ctx, err)
	}
	a.exit(exitOfRun(ctx, err))
	if f.json {
		return errors.Join(unknownError(err), report.RunJSON(a.out, &r))
	}
	return errors.Join(report.Run(a.out, &r, a.options()), unknownError(err))
}

// named: whoever brings an implant back or opens a door again types the name
// of the host, so that it is not the wrong one.
func (a *app) named(given string) bool {
	if given == "" && a.terminal(a.in) {
		given = a.ask("cli.type-host", "host", a.host)
	}
	return given == a.host
}

func (a *app) keepCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keep [RUN]", Aliases: []string{"confirm"}, Short: a.c.Say("help.keep"), Long: a.c.Say("help.keep.long"), Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			run, _, err := undoArgs(args)
			if err != nil {
				return err
			}
			ag, err := a.agent()
			if err != nil {
				return err
			}
			r, err := ag.Confirm(cmd.Context(), run, a.steps())
			switch {
			case errors.Is(err, respond.ErrNothing), errors.Is(err, agent.ErrNoRun):
				a.talk(a.c.Say("cli.nothing-to-keep"))
				return nil
			case r.ID == "" || refused(err):
				return a.stopped(cmd.Context(), err)
			}
			a.exit(exitOfRun(cmd.Context(), err))
			return errors.Join(report.Run(a.out, &r, a.options()), unknownError(err))
		},
	}
}

func refused(err error) bool {
	var r *respond.Refusal
	return errors.As(err, &r)
}

// revertCommand is what the detached process and the unit at boot run.
func (a *app) revertCommand() *cobra.Command {
	var boot bool
	cmd := &cobra.Command{
		Use: "revert [RUN]", Hidden: true, Short: "undo what nobody confirmed", Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			run, _, err := undoArgs(args)
			if err != nil {
				return err
			}
			if exe, err := os.Executable(); boot && a.state == "" && err == nil {
				a.state = filepath.Dir(exe) // the copy lies in the state that it is for
			}
			ag, err := a.agent()
			if err != nil {
				return err
			}
			return ag.Revert(cmd.Context(), run)
		},
	}
	cmd.Flags().BoolVar(&boot, "boot", false, "at the start of the host")
	return cmd
}
