package report

import (
	"io"
	"slices"
	"time"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/judge"
)

// Remains writes what a second look says of the first: what of the incidents
// is gone, what is still there or new, which doors remain, and what the
// business gets now. What is not seen any more is only called gone if the
// second look was as good as the first.
func Remains(w io.Writer, before, after *explain.Scan, o Options) error {
	if before == nil {
		before = &explain.Scan{}
	}
	p := newPrinter(after, o)
	p.ids = []string{"load", "next", "unseen", "business"}
	p.verdictNow()
	c := compare(before, after)
	p.compared("remains.new", "!", red, c.fresh)
	p.compared("remains.still", "✘", red, c.still)
	p.compared("remains.unsure", "?", yellow, c.unsure)
	p.compared("remains.gone", "✔", green, c.gone)
	p.remainingDoors()
	p.blank()
	if s := p.business(before); s != "" {
		p.row(p.say("label.business"), s, 3)
	}
	if after.Load.Cause != "" {
		p.row(p.say("label.load"), p.load(), 2)
	}
	p.row(p.say("label.unseen"), p.unseen(), 3)
	p.lasting(before)
	p.afterwards(before, &c)
	return p.flush(w)
}

// verdictNow is the verdict of the second look; a miner that is stopped is told
// as such, not by what it has used.
func (p *printer) verdictNow() {
	colour, verdict := p.verdictColour(), p.say("verdict."+known(p.s.Verdict), "story", p.story())
	if allFrozen(p.s) {
		colour, verdict = yellow, p.say("remains.contained")
	}
	p.hangPainted(p.fold("● "), colour, verdict+p.say("sentence.sep")+p.say("remains.looked", "at", p.s.Taken), 4)
}

// compared lists things under a heading with their number.
func (p *printer) compared(head, mark, colour string, ts []thing) {
	if len(ts) == 0 {
		return
	}
	p.heading(p.say(head, "n", len(ts)))
	for i, t := range ts {
		if i == mostLeft {
			p.bullet("+", p.say("list.more", "n", len(ts)-i), 1)
			return
		}
		p.hangPainted("  "+p.fold(mark)+" ", colour, p.thing(&t), 2)
	}
}

// thing is an implant or a finding in a line.
func (p *printer) thing(t *thing) string {
	note := ""
	if t.note != "" {
		note = p.say("in.brackets", "s", p.say(t.note))
	}
	if t.finding != nil {
		return p.text(t.finding.Message) + note
	}
	im := t.implant
	kind, name := p.say("remains.kind."+implantLabel(im.Kind)), fit(p.host(im.Name), longName, p.dots())
	if im.Kind == fact.KindProcess {
		return join(" ", kind, p.pid(im.Ref), name) + note
	}
	return join("  ", join(" ", kind, p.origin(im.Origin))+note, name) // a line of a crontab may be cut, the note not
}

func (p *printer) remainingDoors() {
	var fs []*judge.Finding
	for i := range p.s.Findings {
		if f := &p.s.Findings[i]; f.Class == judge.Posture {
			fs = append(fs, f)
		}
	}
	p.findings("remains.posture", fs)
}

// business says how long those who waited before wait now.
func (p *printer) business(before *explain.Scan) string {
	const most = 3
	var parts []string
	for i, m := range suffering(before.Impact) {
		if i == most {
			break
		}
		now := waits(p.s, &m)
		switch {
		case now < 0:
			parts = append(parts, p.say("remains.waited-unknown", "name", m.Name, "was", m.Waits))
		case len(parts) == 0:
			parts = append(parts, p.say("remains.waited", "name", m.Name, "was", m.Waits, "now", now))
		default:
			parts = append(parts, p.say("remains.waited-also", "name", m.Name, "was", m.Waits, "now", now))
		}
	}
	return join(p.say("clause.sep"), parts...)
}

// waits is how long a process waits in another look, in percent; after a
// restart the one of the same name counts. -1: not known.
func waits(s *explain.Scan, m *explain.Impact) float64 {
	for _, now := range s.Impact {
		if now.Process == m.Process {
			return now.Waits
		}
	}
	if s.Snapshot != nil {
		for i := range s.Snapshot.Process {
			if p := &s.Snapshot.Process[i]; p.Ref == m.Process {
				return p.BusyNow
			}
		}
	}
	for _, now := range s.Impact {
		if now.Name == m.Name {
			return now.Waits
		}
	}
	return -1
}

// lasting is the advice that outlives the removal: an intruder who had root
// could have left what nobody sees.
func (p *printer) lasting(before *explain.Scan) {
	for i := range before.Incidents {
		in := &before.Incidents[i]
		if in.Certainty != judge.Confirmed || in.Advice != "rebuild" && len(in.Rotate) == 0 {
			continue
		}
		p.blank()
		if in.Advice == "rebuild" {
			p.hang("  ", p.say("advice.rebuild"), 0)
		}
		if n := len(in.Rotate); n > 0 {
			p.hang("  ", p.say("remains.rotate", "n", n, "incident", in.ID), 0)
		}
		return
	}
}

// afterwards says what to do next.
func (p *printer) afterwards(before *explain.Scan, c *comparison) {
	text := p.say("remains.next.look")
	if due := nextDue(before, p.s.Taken); !due.IsZero() {
		text = p.say("remains.next.due", "due", due)
	}
	switch {
	case len(c.still)+len(c.fresh) > 0:
		text = p.say("remains.next.attack", "command", "demine clean")
	case p.s.Exposed > 0:
		text = join(p.sep(), text, p.say("remains.next.posture"))
	}
	p.blank()
	p.row(p.say("label.next"), text, 0)
}

// nextDue is the first moment after now at which a job of the incidents would
// have run; zero when that cannot be told.
func nextDue(s *explain.Scan, now time.Time) time.Time {
	var first time.Time
	for i := range s.Schedule {
		sc := &s.Schedule[i]
		t := sc.Next
		if every := time.Duration(sc.Every) * time.Second; every > 0 && !t.IsZero() && !t.After(now) {
			t = t.Add((now.Sub(t)/every + 1) * every)
		}
		if !t.After(now) || len(sc.Hours) > 0 && !slices.Contains(sc.Hours, hostTime(s, t).Hour()) {
			continue
		}
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}
