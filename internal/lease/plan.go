package lease

import (
	"net/netip"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
	"demine/internal/respond"
)

// Plan is how a lease would be opened.
type Plan struct {
	Ask
	Mark      uint32            `json:"mark"`
	Doorways  []respond.Doorway `json:"doorways"` // rules that have to be made; none: those that are there do
	Service   string            `json:"service,omitempty"`
	Container string            `json:"container,omitempty"`
	Passes    []string          `json:"passes"`          // barriers that the doorways go before: see relate.Barrier
	Notes     []i18n.Message    `json:"notes,omitempty"` // what one should know of it

	doors []opening
}

// opening is a door, and who shall come in by it.
type opening struct {
	door relate.Door
	from []netip.Prefix
}

// Make plans what was asked for (see Check) on a host as it was seen, with what
// the packet filter lets in for leases already. Where it cannot be done, or
// should not, it is a *respond.Refusal.
func Make(a Ask, x *relate.Index, in respond.Admitted, others []Lease) (Plan, error) {
	p := Plan{Ask: a, Mark: in.Mark, Doorways: []respond.Doorway{}}
	if err := unread(x.S); err != nil {
		return p, err
	}
	if err := p.apart(others); err != nil {
		return p, err
	}
	if err := p.find(x); err != nil {
		return p, err
	}
	n := relate.NetOf(x.S)
	if err := p.closed(n); err != nil {
		return p, err
	}
	if p.Mark == 0 {
		var by string
		if p.Mark, by = n.FreeMark(); p.Mark == 0 {
			return p, respond.Refuse("refuse.lease.no-mark", "rule", by)
		}
	}
	if err := p.doorways(n); err != nil {
		return p, err
	}
	if p.Cut && p.Proto == "udp" {
		p.Notes = append(p.Notes, i18n.M("lease.note.udp-cut"))
	}
	p.itself(n)
	return p, p.pass(n)
}

// itself notes sources that are the host's own addresses. They are not refused: an
// address that moves between hosts may be another one's tomorrow.
func (p *Plan) itself(n *relate.Net) {
	var own []string
	for _, f := range p.From {
		if f.IsSingleIP() && n.Has(f.Addr()) {
			own = append(own, f.Addr().String())
		}
	}
	if own != nil {
		p.Notes = append(p.Notes, i18n.M("lease.note.own-address", "from", own))
	}
}

// unread refuses to decide by a packet filter of which a part was not read.
func unread(s *fact.Snapshot) error {
	for _, c := range s.Coverage {
		if c.Observer != "firewall" {
			continue
		}
		switch {
		case c.Complete():
			return nil
		case len(c.Gaps) > 0:
			g := c.Gaps[0]
			return respond.Refuse("refuse.lease.unread", "gap", strings.TrimSpace(g.What+": "+g.Code+" "+g.Detail))
		}
		return respond.Refuse("refuse.lease.unread", "gap", string(c.State))
	}
	return respond.Refuse("refuse.lease.unread", "gap", "unseen")
}

// apart refuses what another lease opens already, and what with the other leases of
// the port would open it to everybody.
func (p *Plan) apart(others []Lease) error {
	open, from := 0, slices.Clone(p.From)
	for i := range others {
		o := &others[i]
		if o.State != Open {
			continue
		}
		open++
		switch {
		case !o.overlaps(&p.Ask):
		case o.Ending != "":
			return respond.Refuse("refuse.lease.still-ending", "id", o.ID, "who", o.Who)
		default:
			return respond.Refuse("refuse.lease.overlaps", "id", o.ID, "until", o.Until, "who", o.Who, "from", names(o.From))
		}
		if o.Proto == p.Proto && o.Port == p.Port && !o.Anyone {
			from = append(from, o.From...)
		}
	}
	if everybody(from...) && !p.Anyone {
		return respond.Refuse("refuse.lease.anyone-together", "n", len(from))
	}
	if open >= MaxOpen {
		return respond.Refuse("refuse.lease.too-many", "n", open)
	}
	return nil
}

func names(from []netip.Prefix) (out []string) {
	for _, p := range from {
		out = append(out, p.String())
	}
	return out
}

// doorways finds where a rule has to stand, door by door: what one of them
// needs, the next may find already there.
func (p *Plan) doorways(n *relate.Net) error {
	for _, o := range p.doors {
		places, why, ok := n.Doorways(o.door, o.from, p.Mark)
		if !ok {
			return respond.Refuse("refuse.lease.no-place", "port", p.Port, "from", names(o.from), "reach", reached(why))
		}
		for _, at := range places {
			var d respond.Doorway
			d.At = respond.RuleAt{Backend: at.Backend, Family: at.Family, Table: at.Table, Chain: at.Chain, N: at.N}
			if i := slices.IndexFunc(p.Doorways, func(o respond.Doorway) bool { return sameChain(o.At, d.At) }); i < 0 {
				p.Doorways = append(p.Doorways, d)
			} else if d.At.N < p.Doorways[i].At.N { // the earlier place is right for both: it still is before what drops
				p.Doorways[i] = d
			}
		}
	}
	return nil
}

// closed refuses what is open already: the lease would end, the opening not.
func (p *Plan) closed(n *relate.Net) error {
	for _, o := range p.doors {
		r := n.Reach(o.door)
		for _, from := range o.from {
			switch lets(r, from) {
			case yes:
				return respond.Refuse("refuse.lease.open-already", "port", p.Port, "proto", p.Proto,
					"from", from.String(), "reach", reached(r))
			case unclear:
				return respond.Refuse("refuse.lease.unclear", "port", p.Port, "from", from.String(), "reach", reached(r))
			}
		}
	}
	return nil
}

// InForce reports whether all of what was asked for comes in as the host is, and
// in which container it ends; empty: in none.
func InForce(a Ask, x *relate.Index) (in bool, container string) {
	p := Plan{Ask: a}
	if unread(x.S) != nil || p.find(x) != nil {
		return false, ""
	}
	n := relate.NetOf(x.S)
	for _, o := range p.doors {
		r := n.Reach(o.door)
		if slices.ContainsFunc(o.from, func(from netip.Prefix) bool { return lets(r, from) != yes }) {
			return false, p.Container
		}
	}
	return true, p.Container
}

// reached says by which rule or policy somebody gets somewhere or not.
func reached(r relate.Reach) i18n.Message {
	n, text := 0, ""
	if r.Because != nil {
		n, text = r.Because.N, r.Because.Text
	}
	why := i18n.M("why."+r.Why, "chain", r.Chain, "n", n)
	if text == "" {
		return why
	}
	return i18n.M("lease.reach", "why", why, "rule", text)
}

// Through names the chains whose doorway lets the packets of the lease in: those
// that the plan makes, and those that were there.
func (p *Plan) Through(in respond.Admitted) []string {
	at := slices.Clone(in.Doorways)
	for _, d := range p.Doorways {
		at = append(at, d.At)
	}
	return Chains(at)
}

// Chains names the chains of the doorways, for people.
func Chains(at []respond.RuleAt) []string {
	var out []string
	for _, r := range at {
		if name := r.Family + " " + r.Table + " " + r.Chain; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func sameChain(a, b respond.RuleAt) bool {
	a.N, b.N, a.Text, b.Text = 0, 0, "", ""
	return a == b
}
