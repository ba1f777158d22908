// Package cli is the command line: one file a command, each of which parses,
// asks the agent and prints a value. stdout is the answer, stderr the talk.
package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

	"demine/internal/agent"
	"demine/internal/explain"
	"demine/internal/i18n"
	"demine/internal/report"
)

// Version is set when a release is built.
var Version = "0.1.0-dev"

// Main runs the command line and gives the exit status.
func Main(ctx context.Context, args []string, in io.Reader, out, errw io.Writer, env func(string) string) int {
	name, _ := os.Hostname()
	return run(ctx, args, world{
		in: in, out: out, err: errw, env: env, now: time.Now,
		host: name, asRoot: os.Geteuid() == 0, terminal: isTerminal, width: terminalWidth,
	})
}

// world is all that a command touches of the outside.
type world struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	look     looker // nil: this host is looked at
	now      func() time.Time
	host     string // name of this host
	asRoot   bool
	terminal func(any) bool
	width    func(any) int // columns; 0 when not known
}

// looker examines a host.
type looker func(context.Context, *slog.Logger, agent.Want, func(agent.Event)) (*explain.Scan, error)

// app is one run of the command line.
type app struct {
	world
	c     *i18n.Catalogue
	log   *slog.Logger
	typed []string // the words of the command
	code  int
	told  bool // the texts of rules and causes are in the catalogue

	lang, color, level string
	state              string // folder of demine's own state
	noColor            bool
	noProbe            bool
}

func run(ctx context.Context, args []string, w world) int {
	a := &app{world: w, typed: args, log: slog.New(slog.DiscardHandler)}
	a.lang = langOf(args)
	a.c = i18n.Load(i18n.Choose(a.lang, w.env))
	root := a.root()
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		return a.fail(err)
	}
	return a.code
}

// fail tells an error and gives its exit status.
func (a *app) fail(err error) int {
	text := report.ErrorText(err)
	var m *failure
	if errors.As(err, &m) {
		text = a.clock().Text(m.Message)
	}
	a.talk(a.c.Say("cli.error", "error", text))
	var u *usage
	if errors.As(err, &u) {
		a.line(a.c.Say("cli.hint", "command", u.hint))
		return exitUsage
	}
	if a.code == exitInterrupted {
		return exitInterrupted
	}
	return exitFailed
}

// talk writes sentences to stderr, on a terminal in lines that fit. They are already
// sanitised, as all that a catalogue makes.
func (a *app) talk(text string) {
	if a.terminal(a.err) {
		text = report.Wrap(a.fold(text), a.columns(a.err))
	}
	a.line(text)
}

// line writes what stays on one line: a command to be copied, or what fits already.
func (a *app) line(text string) { _, _ = io.WriteString(a.err, a.fold(text)+"\n") }

func (a *app) fold(s string) string {
	if a.ascii() {
		return i18n.ASCII(s)
	}
	return s
}

// ascii: the terminal knows nothing else, and the language needs nothing else.
func (a *app) ascii() bool { return a.c.Lang() == i18n.English && i18n.Plain(a.env) }

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func terminalWidth(w any) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// incomplete reports whether one of the observers did not see all.
func incomplete(s *explain.Scan, observers ...string) bool {
	for _, c := range s.Coverage {
		if !c.Complete() && (len(observers) == 0 || slices.Contains(observers, c.Observer)) {
			return true
		}
	}
	return false
}
