package cli

import (
	"io"
	"time"

	"demine/internal/agent"
	"demine/internal/report"
)

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
	case "listening":
		t.erase()
		t.a.talk(t.a.c.Say("cli.listening", "for", e.Left))
	case "deep":
		t.line(t.a.c.Say("cli.deep", "files", e.Files, "bytes", e.Bytes))
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
	if e.Done >= e.Total {
		return
	}
	t.line(t.a.c.Say("cli.progress", "wave", e.Wave, "done", e.Done, "total", e.Total))
}

// line puts a line of progress in place of the last one.
func (t *commentary) line(line string) {
	if !t.moves {
		return
	}
	t.erase()
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
