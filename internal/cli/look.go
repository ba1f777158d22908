package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"time"

	"demine/internal/agent"
	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/report"
)

// see gives the Scan to print: of this host, or stored. When the look was
// interrupted it is what was found until then.
func (a *app) see(ctx context.Context, from string, snapshot bool) (*explain.Scan, error) {
	if from != "" {
		return a.stored(from)
	}
	t := a.comment()
	t.begin()
	s, err := a.look(ctx, a.log, agent.Want{KeepSnapshot: snapshot}, t.event)
	t.end()
	switch {
	case s != nil && err != nil && ctx.Err() != nil:
		a.talk(a.c.Say("cli.interrupted"))
		a.code = exitInterrupted
		return s, nil
	case ctx.Err() != nil && err != nil:
		a.code = exitInterrupted
		return nil, failed("cli.interrupted-early")
	case err != nil:
		return nil, err
	}
	return s, nil
}

// exit sets the exit status, unless the look was interrupted.
func (a *app) exit(code int) {
	if a.code != exitInterrupted {
		a.code = code
	}
}

// A stored Scan with its snapshot is about 10 MiB on a busy host.
const maxStored = 256 << 20

func (a *app) stored(file string) (*explain.Scan, error) {
	r := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxStored+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxStored {
		return nil, failed("cli.too-large", "file", file, "limit", maxStored)
	}
	var s explain.Scan
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, failed("cli.bad-file", "file", file, "error", err.Error())
	}
	if s.Schema != fact.SchemaVersion {
		return nil, failed("cli.bad-schema", "file", file, "schema", s.Schema, "known", fact.SchemaVersion)
	}
	return &s, nil
}

// commentary is what is said on a terminal while the look goes on.
type commentary struct {
	a        *app
	on       bool // stderr is a terminal
	moves    bool // it can rewrite a line
	shown    bool // a line of progress stands there
	started  time.Time
	finished bool
}

func (a *app) comment() *commentary {
	on := a.terminal(a.err)
	return &commentary{a: a, on: on, moves: on && a.env("TERM") != "dumb" && a.env("TERM") != "", started: a.now()}
}

// begin says within a moment what will happen, and what will not.
func (t *commentary) begin() {
	if !t.on {
		return
	}
	who := "cli.who.user"
	if t.a.asRoot {
		who = "cli.who.root"
	}
	t.a.talk(t.a.c.Say("cli.looking", "version", Version, "host", t.a.host, "who", t.a.c.Say(who)))
}

// event tells how far the look is, and a confirmed finding at once.
func (t *commentary) event(e agent.Event) {
	if !t.on || t.finished {
		return
	}
	switch e.Kind {
	case "wave":
		t.progress(e)
	case "finding":
		if e.Scan == nil {
			return
		}
		t.erase()
		t.a.talk(t.a.c.Say("cli.found", "ms", t.a.now().Sub(t.started).Milliseconds()))
		o := t.a.optionsFor(t.a.err)
		_ = report.Found(t.a.err, e.Scan, o) // the whole comes again on stdout
	}
}

func (t *commentary) progress(e agent.Event) {
	if !t.moves || e.Done >= e.Total {
		return
	}
	t.erase()
	line := t.a.c.Say("cli.progress", "wave", e.Wave, "done", e.Done, "total", e.Total)
	_, _ = io.WriteString(t.a.err, t.a.fold(line))
	t.shown = true
}

// erase takes the line of progress away (ECMA-48 EL).
func (t *commentary) erase() {
	if t.shown {
		_, _ = io.WriteString(t.a.err, "\r\x1b[K")
		t.shown = false
	}
}

func (t *commentary) end() {
	t.erase()
	t.finished = true
}

// options say how to print on stdout.
func (a *app) options() report.Options { return a.optionsFor(a.out) }

func (a *app) optionsFor(w io.Writer) report.Options {
	a.content()
	return report.Options{Catalogue: a.c, Color: a.colour(w), ASCII: a.ascii(), Width: a.columns(w)}
}

// colour: what the flags say, else only on a terminal that wants it
// (no-color.org).
func (a *app) colour(w io.Writer) bool {
	switch {
	case a.noColor || a.color == "never":
		return false
	case a.color == "always":
		return true
	}
	return a.env("NO_COLOR") == "" && a.env("TERM") != "dumb" && a.terminal(w)
}

// columns: a terminal's own width within reason, 80 elsewhere.
func (a *app) columns(w io.Writer) int {
	const least, most, usual = 60, 120, 80
	n := a.width(w)
	if n == 0 && a.terminal(w) {
		n, _ = strconv.Atoi(a.env("COLUMNS"))
	}
	if n == 0 {
		return usual
	}
	return min(max(n, least), most)
}

// content adds the texts of the rules and causes, once. Without them the ids
// are shown: a broken text must not stop a look.
func (a *app) content() {
	if a.told {
		return
	}
	a.told = true
	if err := addContent(a.c); err != nil {
		a.log.Warn("texts of rules and causes", "error", err)
	}
}
