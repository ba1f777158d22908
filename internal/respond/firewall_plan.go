package respond

import (
	"fmt"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

func init() { optional = append(optional, planShutDoors) }

// planClose takes out the rules that open the port of a finding's listener.
func planClose(m *Making, f *judge.Finding) {
	for i := range m.X.Exposures {
		if e := &m.X.Exposures[i]; e.Ref == f.Subject {
			planClosing(m, e, []string{f.ID})
		}
	}
}

// planShutDoors does the same for doors that are shut until the next boot: no
// finding tells of them while they are.
func planShutDoors(m *Making) {
	if len(m.Req.Findings) > 0 {
		return
	}
	for _, s := range shutsIn(m.X.S.Firewall) {
		for i := range m.X.Exposures {
			if e := &m.X.Exposures[i]; e.Proto == s.Proto && e.Port == s.Port {
				planClosing(m, e, nil)
			}
		}
	}
}

func planClosing(m *Making, e *relate.Exposure, because []string) {
	if e.From == "local" || e.Why == "firewall-unseen" {
		return
	}
	if len(e.Published) > 0 {
		m.Leave("left.door.published", "listener", e.Listener, "command", publishedDrop(e))
		return
	}
	if e.Apart {
		return
	}
	if servesSSH(m.X, e.Port) {
		m.Leave("left.firewall.ssh", "port", e.Port)
		return
	}
	sets := m.X.S.Firewall
	all := openingsOf(sets, e.Proto, e.Port)
	after := less(sets, all)
	var taken []opening
	for _, v6 := range []bool{false, true} {
		if !wideOpen(reachOf(sets, e.Proto, e.Port, v6)) {
			continue
		}
		if r := reachOf(after, e.Proto, e.Port, v6); wideOpen(r) {
			leaveOpen(m, e, v6, r)
			continue
		}
		taken = append(taken, ofFamily(all, v6)...)
	}
	slices.SortStableFunc(taken, func(a, b opening) int { return strings.Compare(a.at.target(), b.at.target()) })
	taken = slices.CompactFunc(taken, func(a, b opening) bool { return a.at.target() == b.at.target() })
	for _, o := range taken {
		planRule(m, e, o, taken, because)
	}
	planSaved(m, e, taken, because)
}

func ofFamily(in []opening, v6 bool) (out []opening) {
	for _, o := range in {
		if o.at.Family == "inet" || (o.at.Family == "ip6") == v6 {
			out = append(out, o)
		}
	}
	return out
}

// leaveOpen says why taking out rules would not close the port.
func leaveOpen(m *Making, e *relate.Exposure, v6 bool, r relate.Reach) {
	if v6 && e.V6 == "" || !v6 && e.V4 == "" { // nobody listens there
		return
	}
	if r.Because != nil {
		m.Leave("left.firewall.other-rule", "port", e.Port, "family", familyWord(v6), "rule", r.Because.Text, "chain", r.Chain)
		return
	}
	m.Leave("left.firewall.policy", "port", e.Port, "family", familyWord(v6), "why", r.Why,
		"command", fmt.Sprintf("%s -A INPUT ! -i lo -p %s --dport %d -j DROP", map[bool]string{false: "iptables", true: "ip6tables"}[v6], e.Proto, e.Port))
}

func familyWord(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

// target names a rule but for its place: rules alike in a chain are one step.
func (r RuleAt) target() string {
	return strings.Join([]string{r.Backend, r.Family, r.Table, r.Chain, r.Text}, " ")
}

func planRule(m *Making, e *relate.Exposure, o opening, all []opening, because []string) {
	m.Add(Step{
		Do: "firewall.close", Phase: Harden, Keeps: KeepsDoor, Revert: m.Req.revert(), Target: o.at.target(),
		On: []fact.Ref{e.Ref}, Because: because,
		What:   i18n.M("firewall.close.what", "rule", o.at.Text, "port", e.Port, "backend", o.at.Backend, "family", o.at.Family, "chain", o.at.Chain),
		Breaks: closeBreaks(m, e, o), Notes: closeNotes(m, e, len(all)),
		Back: i18n.M("firewall.close.back", "n", o.at.N, "chain", o.at.Chain),
	}, closeWith{Rule: o.at, Proto: e.Proto, Port: e.Port})
}

// closeBreaks names who comes in by a rule now.
func closeBreaks(m *Making, e *relate.Exposure, o opening) []i18n.Message {
	var out []i18n.Message
	c := clientsOf(m.X, e)
	var names []string
	for _, p := range c.remote {
		if o.at.Family != "inet" && o.at.Family != familyOf(single(p.addr)) {
			continue
		}
		names = append(names, fmt.Sprintf("%s (%d)", p.addr, p.n))
	}
	if len(names) > 0 {
		out = append(out, i18n.M("firewall.breaks.clients", "clients", names, "port", e.Port))
	} else {
		out = append(out, i18n.M("firewall.breaks.nobody", "port", e.Port))
	}
	return out
}

// closeNotes: who goes on, what else opens the port (n rules do), and what is
// not seen.
func closeNotes(m *Making, e *relate.Exposure, n int) []i18n.Message {
	var out []i18n.Message
	if c := clientsOf(m.X, e); len(c.local) > 0 {
		out = append(out, i18n.M("firewall.breaks.local", "names", c.local))
	}
	if n > 1 {
		out = append(out, i18n.M("firewall.breaks.several", "n", n, "port", e.Port))
	}
	return append(out, i18n.M("firewall.breaks.cloud", "port", e.Port))
}
