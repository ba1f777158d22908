package cli

import (
	"io"
	"strconv"

	"demine/internal/report"
)

// options say how to print on stdout.
func (a *app) options() report.Options { return a.optionsFor(a.out) }

func (a *app) optionsFor(w io.Writer) report.Options {
	a.content()
	return report.Options{Catalogue: a.c, Color: a.colour(w), ASCII: a.ascii(), Width: a.columns(w), Now: a.now()}
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
