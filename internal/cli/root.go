package cli

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"demine/internal/i18n"
	"demine/internal/respond"
)

// root is the command without a name: it does what scan does.
func (a *app) root() *cobra.Command {
	scan := &scanFlags{}
	root := &cobra.Command{
		Use: "demine", Short: a.c.Say("help.demine"), Long: a.c.Say("help.demine.long"),
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              a.noCommand,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.settle() },
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.scan(cmd.Context(), scan) },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	a.globals(root)
	a.addScanFlags(root, scan)
	root.AddCommand(a.scanCommand(), a.explainCommand(), a.exposureCommand(),
		a.changeCommand(respond.KindContain), a.changeCommand(respond.KindClean), a.changeCommand(respond.KindHarden),
		a.undoCommand(), a.keepCommand(), a.statusCommand(), a.historyCommand(), a.showCommand(), a.applyCommand(),
		a.leaseCommand(), a.evidenceCommand(), a.reportCommand(), a.allowCommand(),
		a.doctorCommand(), a.versionCommand(), a.completionCommand(root), a.revertCommand())
	root.SetHelpCommand(a.helpCommand(root))
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.help(cmd) })
	root.SetUsageFunc(func(cmd *cobra.Command) error { a.help(cmd); return nil })
	root.SetFlagErrorFunc(a.flagError)
	a.helpFlags(root)
	return root
}

func (a *app) helpFlags(cmd *cobra.Command) {
	cmd.Flags().BoolP("help", "h", false, a.c.Say("help.flag.help"))
	for _, c := range cmd.Commands() {
		a.helpFlags(c)
	}
}

func (a *app) globals(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVar(&a.lang, "lang", "", a.c.Say("help.flag.lang"))
	f.StringVar(&a.color, "color", "auto", a.c.Say("help.flag.color"))
	f.BoolVar(&a.noColor, "no-color", false, a.c.Say("help.flag.no-color"))
	f.StringVar(&a.state, "state", "", a.c.Say("help.flag.state"))
	f.StringVar(&a.level, "log-level", "warn", a.c.Say("help.flag.log-level"))
	a.complete(root, "lang", i18n.English, i18n.Chinese)
	a.complete(root, "color", "auto", "always", "never")
	a.complete(root, "log-level", "debug", "info", "warn", "error")
}

// complete names the values of a flag for the shell.
func (a *app) complete(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic("cli: " + err.Error()) // no such flag, or twice
	}
}

// settle checks the global flags and takes what they say.
func (a *app) settle() error {
	if a.lang != "" && !i18n.Known(a.lang) {
		return misused("demine --help", "cli.bad-lang", "lang", a.lang)
	}
	switch a.color {
	case "auto", "always", "never":
	default:
		return misused("demine --help", "cli.bad-color", "color", a.color)
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(a.level)); err != nil {
		return misused("demine --help", "cli.bad-level", "level", a.level)
	}
	if a.state != "" { // what demine leaves running runs in another folder
		abs, err := filepath.Abs(a.state)
		if err != nil {
			return err
		}
		a.state = abs
	}
	a.log = slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: l}))
	return nil
}

// langOf finds --lang before anything is parsed: help is in the language too.
func langOf(args []string) string {
	lang := ""
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if v, ok := strings.CutPrefix(arg, "--lang="); ok {
			lang = v
		} else if arg == "--lang" && i+1 < len(args) {
			lang = args[i+1]
		}
	}
	return lang
}

func (a *app) noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	help, like := cmd.CommandPath()+" --help", nearest(cmd, args[0])
	switch {
	case like == "":
		return misused(help, "cli.other-command", "name", args[0])
	case cmd.HasParent(): // most of its commands want arguments
		return misused(help, "cli.like-command", "name", args[0], "like", like)
	}
	return misused(cmd.CommandPath()+" "+like, "cli.other-command", "name", args[0])
}

// nearest is the command whose name differs in the fewest letters from what was typed;
// empty: none is like it.
func nearest(cmd *cobra.Command, typed string) string {
	const most = 2
	for cmd.SuggestionsMinimumDistance = 1; cmd.SuggestionsMinimumDistance <= most; cmd.SuggestionsMinimumDistance++ {
		if like := cmd.SuggestionsFor(typed); len(like) > 0 {
			return like[0]
		}
	}
	return ""
}

// noArgs and oneArg are cobra's, with a sentence in both languages.
func noArgs(cmd *cobra.Command, args []string) error { return atMost(cmd, args, 0) }
func oneArg(cmd *cobra.Command, args []string) error { return atMost(cmd, args, 1) }

func atMost(cmd *cobra.Command, args []string, n int) error {
	if len(args) <= n {
		return nil
	}
	return misused(cmd.CommandPath()+" --help", "cli.too-many-args", "args", args[n:])
}

// flagError says what is wrong with a flag.
func (a *app) flagError(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	var valueless *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		return misused(hint, "cli.bad-flag", "flag", dashed(unknown.GetSpecifiedName()))
	case errors.As(err, &valueless):
		return misused(hint, "cli.no-value", "flag", dashed(valueless.GetSpecifiedName()))
	}
	return &usage{err, hint}
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
