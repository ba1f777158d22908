package lease

import (
	"slices"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
	"demine/internal/respond"
)

// maxPasses is how many barriers a record names, so that a line of the trail
// holds it. A lease with more is not put back behind a reload: it stays shut.
const maxPasses = 64

// pass notes what keeps them out and the doorways go before: the person who opens
// the port decides that, and demine by itself never passes more (see Barred). A
// ban of those who shall come in is refused: who opens a port need not know of it.
func (p *Plan) pass(n *relate.Net) error {
	var aimed []aim
	for _, o := range p.doors {
		for _, b := range n.Barriers(o.door, o.from) {
			if b.Bans(o.from) {
				return respond.Refuse("refuse.lease.banned", "port", p.Port, "chain", b.Chain, "rule", b.Rule())
			}
			if a := (aim{b.Chain, b.Aimed()}); a.rule != "" && !b.Lists() && !slices.Contains(aimed, a) {
				aimed = append(aimed, a)
			}
			name := b.String()
			if slices.Contains(p.Passes, name) || len(p.Passes) == maxPasses {
				continue
			}
			if p.Passes = append(p.Passes, name); b.Lists() {
				p.Notes = append(p.Notes, i18n.M("lease.note.list", "chain", b.Chain, "rule", b.Rule()))
			}
		}
	}
	p.tellAimed(aimed)
	return nil
}

// aim is a rule that is passed and was made for this port or these senders.
type aim struct{ chain, rule string }

// toldAimed is how many of them are told one by one.
const toldAimed = 3

// tellAimed notes what somebody wanted to be shut. That a host refuses all that it
// has no rule for is no news.
func (p *Plan) tellAimed(aimed []aim) {
	for _, a := range aimed[:min(len(aimed), toldAimed)] {
		p.Notes = append(p.Notes, i18n.M("lease.note.passes", "chain", a.chain, "rule", a.rule))
	}
	if n := len(aimed) - toldAimed; n > 0 {
		p.Notes = append(p.Notes, i18n.M("lease.note.passes-more", "n", n))
	}
}

// Barred gives a barrier that keeps the lease's sources out and was not there
// when a person opened it: somebody shut the port since. A container that is not
// there is waited for, and what stands before the host itself does not matter.
func (l *Lease) Barred(x *relate.Index) (relate.Barrier, bool) {
	p := Plan{Ask: l.Ask}
	p.Bare = true
	_ = p.find(x) // whoever listens there now: only the ways to it are asked for
	if unread(x.S) != nil || l.Container != "" && p.Container == "" {
		return relate.Barrier{}, false
	}
	n := relate.NetOf(x.S)
	for _, o := range p.doors {
		for _, b := range n.Barriers(o.door, o.from) {
			if !slices.Contains(l.Passes, b.String()) {
				return b, true
			}
		}
	}
	return relate.Barrier{}, false
}

// Held is why a lease that is barred is not in force.
func (l *Lease) Held(b relate.Barrier) error {
	by := i18n.M("lease.barrier.policy", "chain", b.Chain)
	if rule := b.Rule(); rule != "" {
		by = i18n.M("lease.barrier.rule", "chain", b.Chain, "rule", rule)
	}
	return respond.Refuse("refuse.lease.held", "port", l.Port, "by", by, "id", l.ID)
}

// Untouched says of the ports of other leases, as x was and after a new doorway,
// that nobody comes in there without one who could not before. If not it is a
// *respond.Refusal.
func Untouched(others []Lease, x *relate.Index, after *fact.Snapshot) error {
	if len(others) == 0 {
		return nil
	}
	b, a := relate.NetOf(x.S), relate.NetOf(after)
	for _, ask := range together(others) {
		p := Plan{Ask: ask}
		_ = p.find(x)
		for _, o := range p.doors {
			if who := a.Newcomers(b, o.door, o.from); len(who) > 0 {
				return respond.Refuse("refuse.lease.too-wide", "port", p.Port, "from", who[0].String())
			}
		}
	}
	return nil
}

// together are what leases ask for, those of one port in one.
func together(ls []Lease) (out []Ask) {
	for i := range ls {
		l := &ls[i]
		at := slices.IndexFunc(out, func(a Ask) bool { return a.Proto == l.Proto && a.Port == l.Port })
		if at < 0 {
			at = len(out)
			out = append(out, Ask{Proto: l.Proto, Port: l.Port, Bare: true})
		}
		out[at].From = append(out[at].From, l.From...)
	}
	return out
}
