package report

import (
	"demine/internal/explain"
	"demine/internal/judge"
)

// remedies lists what is to be done: the door, what is open, the host itself,
// the cause behind the cause, the credentials.
func (g *page) remedies(in *explain.Incident) {
	g.section("page.h.fix")
	if in != nil && len(in.Causes) > 0 && g.c.Has(in.Causes[0].Fix.ID) {
		g.item(g.text(in.Causes[0].Fix))
	}
	open := 0
	for _, f := range g.s.Findings {
		if f.Class == judge.Posture {
			open++
		}
	}
	if open > 0 {
		g.item(g.say("page.fix.open", "n", open))
	}
	if in == nil {
		g.item(g.say("page.fix.watch"))
		return
	}
	if opened := eventOf(in, "event.port-opened"); opened != nil {
		g.item(g.say("page.fix.owner", "user", opened.Message.Args["user"], "port", opened.Message.Args["port"], "at", opened.Time))
	}
	switch why := in.AdviceWhy.ID; {
	case in.Advice == "rebuild":
		g.item(g.say("advice.rebuild"))
	case why == "advice.container", why == "advice.container-unknown":
		g.item(g.say(why))
	}
	if len(explain.Indicators(g.s)) > 0 {
		g.item(g.say("page.fix.others"))
	}
	g.item(g.say("page.fix.watch"))
	if len(in.Rotate) > 0 {
		g.section("page.h.rotate", "n", len(in.Rotate))
		for _, m := range in.Rotate {
			g.item(g.text(m))
		}
	}
}

func eventOf(in *explain.Incident, id string) *explain.Event {
	for i := range in.Timeline {
		if in.Timeline[i].Message.ID == id {
			return &in.Timeline[i]
		}
	}
	return nil
}

// indicators lists by what the same intruder is recognised elsewhere.
func (g *page) indicators() {
	all := explain.Indicators(g.s)
	if len(all) == 0 {
		return
	}
	g.section("page.h.indicators")
	for i, x := range all {
		if i == g.most(pageIndicators) {
			g.item(g.say("list.more", "n", len(all)-i))
			return
		}
		g.item(g.say("page.indicator."+x.Kind) + g.say("page.colon") + g.host(x.Value))
	}
}
