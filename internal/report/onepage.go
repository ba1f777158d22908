package report

import (
	"io"
	"strings"
	"time"

	"demine/internal/explain"
	"demine/internal/judge"
	"demine/internal/respond"
)

// Formats of a report.
const (
	PageText     = "text" // for a terminal or a mail
	PageMarkdown = "markdown"
	PageHTML     = "html" // with figures, and longer
)

// Page says how a report is made.
type Page struct {
	Format string // one of the above; empty is text
	Redact bool   // without names and addresses, but for the intruder's
	// After is the newest look, if it is another one than that of the incident:
	// what remains is told of it.
	After *explain.Scan
}

// How much of each a page holds that is to be one page.
const (
	pageEvents     = 7
	pageEvidence   = 5
	pageSteps      = 12
	pageRuns       = 3
	pageOpen       = 5
	pageIndicators = 12
)

// OnePage writes the report to hand out: to a manager, a customer, a cloud's
// ticket. Times are in the host's zone. It holds no secret, and no address in
// it can be clicked.
func OnePage(w io.Writer, s *explain.Scan, runs []respond.Run, o Options, pg Page) error {
	o.Color = false
	if pg.Format == PageHTML {
		o.ASCII = false // what the terminal can show does not matter
	}
	g := &page{printer: newPrinter(s, o), Page: pg}
	g.sheet = g.newSheet()
	g.c = g.c.At(time.Time{}.In(hostTime(s, s.Taken).Location())) // every time with its date
	g.hide = newRedactor(s, runs, g.say("page.hidden.host"), g.say("page.hidden.address"), pg.Redact)
	var in *explain.Incident
	if len(s.Incidents) > 0 {
		in = &s.Incidents[0]
	}
	g.opening()
	if in != nil {
		g.happened(in)
		g.impact(in)
		g.entry(in)
	}
	g.done(runs)
	g.remaining(runs)
	g.remedies(in)
	g.indicators()
	if in != nil {
		g.section("page.h.duties")
		g.para(g.say("page.duties"))
	}
	g.section("page.h.rests")
	g.rests()
	return g.sheet.end(w)
}

type page struct {
	*printer
	Page
	sheet sheet
	hide  *redactor
}

// most is how many of something are told: on a page that may be longer, more.
func (g *page) most(n int) int {
	if g.Format == PageHTML {
		return 20 * n
	}
	return n
}

// opening is the title, which host and look it is about, and the verdict.
func (g *page) opening() {
	h := g.s.Host
	id := "page.title"
	if len(g.s.Incidents) == 0 {
		id = "page.title.none"
	}
	g.sheet.title(g.fit(g.say(id, "host", h.Name)))
	g.para(g.say("page.about", "os", h.OS, "kernel", h.Kernel, "taken", g.s.Taken, "zone", g.zone(), "scan", g.s.ID))
	g.sheet.verdict(g.fit(g.say("verdict."+known(g.s.Verdict), "story", g.story())))
	if n := len(g.s.Incidents); n > 1 {
		g.para(g.say("verdict.more", "n", n-1))
	}
}

// happened lists what was planted and the timeline.
func (g *page) happened(in *explain.Incident) {
	g.section("page.h.happened")
	var past []explain.Event
	for _, e := range in.Timeline {
		if !e.Future {
			past = append(past, e)
		}
	}
	g.sheet.timeline(in.Timeline)
	for i, e := range past {
		if i == g.most(pageEvents) {
			g.item(g.say("list.more", "n", len(past)-i))
			break
		}
		g.item(g.event(&e))
	}
	for i := range in.Implants {
		im := &in.Implants[i]
		g.item(g.say("page.planted", "kind", g.say("remains.kind."+implantLabel(im.Kind)), "what", g.planted(im)))
	}
}

// event is a line of the timeline; where there is room, with what it is known
// from.
func (g *page) event(e *explain.Event) string {
	line := g.say("fmt.time", "t", e.Time) + "  " + g.text(e.Message)
	if g.Format != PageHTML {
		return line
	}
	cite := g.sourceWord(e.Source)
	if o := g.origin(e.Origin); o != "" && !strings.Contains(line, o) {
		cite = join(g.sep(), cite, o)
	}
	return line + " [" + cite + "]"
}

// planted names an implant; what it uses now is said elsewhere.
func (g *page) planted(im *explain.Implant) string {
	return join("  ", g.origin(im.Origin), fit(g.host(im.Name), longLine, g.dots()))
}

func (g *page) impact(in *explain.Incident) {
	g.section("page.h.impact")
	hurt := suffering(in.Impact)
	for i, m := range hurt {
		if i == g.most(pageOpen) {
			break
		}
		text := g.say("impact.waits", "name", m.Name, "pid", m.PID, "waits", m.Waits)
		if m.Peers > 0 {
			text += g.say("impact.peers", "n", m.Peers)
		}
		g.item(text)
	}
	if len(hurt) == 0 {
		g.item(g.say("page.impact.none"))
	}
	if g.s.Load.Cause != "" {
		g.item(g.say("label.load") + g.say("page.colon") + g.load())
	}
	if in.Advice == "rebuild" {
		g.item(g.say("page.impact.root"))
	}
}

// entry tells the likeliest way in with its evidence; where there is room, every
// other that was considered.
func (g *page) entry(in *explain.Incident) {
	if len(in.Causes) == 0 || in.Causes[0].ID == "unknown" {
		g.section("head.cause-unknown")
		g.para(g.say("cause.unknown"))
		if len(in.Causes) > 0 {
			g.missing(&in.Causes[0])
		}
		return
	}
	for i := range in.Causes {
		c := &in.Causes[i]
		switch {
		case i == 0:
			g.section("head.cause", "certainty", c.Certainty)
		case g.Format == PageHTML:
			g.section("head.cause-other", "certainty", c.Certainty)
		default:
			return
		}
		g.cause(c)
		if i == 0 {
			g.sheet.graph(&in.Graph)
		}
	}
}

func (g *page) cause(c *explain.Cause) {
	g.para(g.text(c.Title))
	for i := range c.For {
		if i == g.most(pageEvidence) {
			g.item(g.say("list.more", "n", len(c.For)-i))
			break
		}
		g.item(g.cited(&c.For[i]))
	}
	for i := range c.Against {
		g.item(g.say("page.against", "what", g.cited(&c.Against[i])))
	}
	if g.Format == PageHTML {
		g.missing(c)
	}
}

// missing tells what could have settled it.
func (g *page) missing(c *explain.Cause) {
	for i := range c.Missing {
		if i == g.most(pageEvidence) {
			g.item(g.say("list.more", "n", len(c.Missing)-i))
			return
		}
		g.item(g.say("page.missing", "what", g.cited(&c.Missing[i])))
	}
}

// done tells the newest runs, each step with its outcome.
func (g *page) done(runs []respond.Run) {
	g.section("page.h.done")
	if len(runs) == 0 {
		g.para(g.say("page.done.nothing"))
		return
	}
	for i, r := range newest(runs) {
		if i == g.most(pageRuns) {
			g.item(g.say("page.done.more", "n", len(runs)-i))
			return
		}
		g.run(&r)
	}
}

func (g *page) run(r *respond.Run) {
	done, undone := tally(r)
	g.para(g.say("page.run", "run", r.ID, "kind", r.Plan.Name(), "at", r.Began, "from", g.whence(&r.By),
		"done", done, "undone", undone, "of", len(r.Plan.Steps)))
	for i := range r.Plan.Steps {
		if i == g.most(pageSteps) {
			g.item(g.say("list.more", "n", len(r.Plan.Steps)-i))
			return
		}
		s := &r.Plan.Steps[i]
		g.item(g.say("page.step", "what", s.What, "fate", g.ended(r, r.Outcome(s.ID))))
	}
}

// ended is what became of a step, without what depends on the hour of reading.
func (g *page) ended(r *respond.Run, o respond.Outcome) string {
	f := g.fate(r, o)
	if f.state == respond.Reverting || f.state == overdue {
		return g.say("page.reverts", "until", o.Until)
	}
	return f.text
}

// remaining tells what the newest look still sees, and what stays open.
func (g *page) remaining(runs []respond.Run) {
	g.section("page.h.remains")
	now := g.s
	switch {
	case g.After != nil:
		now = g.After
		g.para(g.say("remains.looked", "at", now.Taken))
		c := compare(g.s, now)
		g.things("remains.new", c.fresh)
		g.things("remains.still", c.still)
		g.things("remains.unsure", c.unsure)
		if len(c.fresh)+len(c.still)+len(c.unsure) == 0 && len(c.gone) > 0 {
			g.item(g.say("page.remains.none"))
		}
	case len(g.s.Incidents) > 0 && len(runs) > 0:
		g.item(g.say("page.remains.unlooked"))
	case len(g.s.Incidents) > 0:
		g.item(g.say("page.remains.all"))
	}
	g.open(now)
}

func (g *page) things(head string, ts []thing) {
	for i, t := range ts {
		if i == 0 {
			g.item(g.say(head, "n", len(ts)))
		}
		if i == g.most(pageOpen) {
			return
		}
		g.item(g.thing(&t))
	}
}

// open lists the open doors and weak settings.
func (g *page) open(s *explain.Scan) {
	n := 0
	for i := range s.Findings {
		f := &s.Findings[i]
		if f.Class != judge.Posture {
			continue
		}
		if n++; n <= g.most(pageOpen) {
			g.item(g.text(f.Message))
		}
	}
	switch {
	case n > g.most(pageOpen):
		g.item(g.say("list.more", "n", n-g.most(pageOpen)))
	case n == 0:
		g.item(g.say("page.open.none"))
	}
}

func (g *page) rests() {
	g.para(g.say("page.rests", "looked", g.examined(), "unseen", strings.TrimRight(g.unseen(), ".。")))
}
