package respond

import (
	"context"
	"fmt"
	"slices"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/relate"
)

// planNamed takes out the rules that were asked for by name, in force and where
// they are saved: also those that let in less, or more, than everybody to one
// port. Whoever names a rule has read it.
func planNamed(m *Making) {
	rules := m.X.OpenRules()
	for _, id := range m.Req.Rules {
		i := slices.IndexFunc(rules, func(o relate.OpenRule) bool { return o.ID == id })
		switch {
		case i < 0:
			m.Leave("left.rule.none", "rule", id)
		case rules[i].Lease != "":
			m.Leave("left.rule.lease", "rule", id, "lease", rules[i].Lease)
		case len(sshPorts(m.X, &rules[i])) > 0:
			m.Leave("left.firewall.ssh", "port", sshPorts(m.X, &rules[i])[0])
		default:
			planOpenRule(m, &rules[i])
		}
	}
}

// sshPorts are the ports by which operators come in that fewer would reach
// without a rule.
func sshPorts(x *relate.Index, o *relate.OpenRule) (out []int) {
	at := atOf(o)
	for i := range x.S.Socket {
		s := &x.S.Socket[i]
		if s.Listening() && servesSSH(x, s.Port) && !slices.Contains(out, s.Port) && at.narrows(x.S.Firewall, s.Port) {
			out = append(out, s.Port)
		}
	}
	return out
}

func atOf(o *relate.OpenRule) RuleAt {
	return RuleAt{Backend: o.Backend, Family: o.Family, Table: o.Table, Chain: o.Chain, N: o.N, Text: o.Text}
}

// narrows: without the rule fewer reach a port of this host.
func (r RuleAt) narrows(sets []fact.Ruleset, port int) bool {
	var gone []opening
	for i := range sets {
		if c := r.chain(sets[i : i+1]); c != nil {
			for _, x := range c.Rules {
				if x.Text == r.Text {
					at := r
					at.N = x.N
					gone = append(gone, opening{at, i})
				}
			}
		}
	}
	after := less(sets, gone)
	for _, v6 := range []bool{false, true} {
		a, b := reachOf(sets, "tcp", port, v6), reachOf(after, "tcp", port, v6)
		if a.From != b.From || !slices.Equal(a.Sources, b.Sources) || !slices.Equal(a.Except, b.Except) {
			return true
		}
	}
	return false
}

// guardSSHRule refuses to take out a rule by which operators come in.
func guardSSHRule(ctx context.Context, h *host.Host, sets []fact.Ruleset, r RuleAt) error {
	all, err := h.Kernel.Sockets(ctx, 0)
	if err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	asked := map[int]bool{}
	for _, s := range all {
		if s.Listening() && s.Proto[:3] == "tcp" && !asked[s.Port] && r.narrows(sets, s.Port) {
			if err := guardSSH(ctx, h, s.Port); err != nil {
				return err
			}
		}
		asked[s.Port] = true
	}
	return nil
}

func planOpenRule(m *Making, o *relate.OpenRule) {
	with := closeWith{Rule: atOf(o), Proto: o.Proto, Named: true}
	if len(o.Ports) > 0 {
		with.Port = int(o.Ports[0].From)
	}
	on, e := []fact.Ref{o.Ref}, behind(m.X, o)
	breaks := []i18n.Message{i18n.M("openrule.close.breaks", "rule", o.ID)}
	if e != nil {
		on = []fact.Ref{e.Ref}
		breaks = closeBreaks(m, e, opening{at: with.Rule})
	}
	m.Add(Step{
		Do: "firewall.close", Phase: Harden, Keeps: KeepsDoor, Revert: m.Req.revert(), Target: with.Rule.target(), On: on,
		What:   i18n.M("openrule.close.what", "id", o.ID, "rule", o.Text, "backend", o.Backend, "family", o.Family, "chain", o.Chain),
		Breaks: breaks, Notes: []i18n.Message{i18n.M("openrule.close.cloud")},
		Back: i18n.M("firewall.close.back", "n", o.N, "chain", o.Chain),
	}, with)
	planNamedSaved(m, o, on)
}

// behind is a listener behind an opening, or nil.
func behind(x *relate.Index, o *relate.OpenRule) *relate.Exposure {
	for i := range x.Exposures {
		if e := &x.Exposures[i]; len(o.Listeners) > 0 && e.Listener == o.Listeners[0] && e.Port != 0 {
			return e
		}
	}
	return nil
}

// planNamedSaved adds the files that hold the rule, a step each.
func planNamedSaved(m *Making, o *relate.OpenRule, on []fact.Ref) {
	for i := range m.X.S.Firewall {
		rs := &m.X.S.Firewall[i]
		if rs.Persisted == "" {
			continue
		}
		with := savedWith{Path: rs.Persisted, Backend: rs.Backend, Family: rs.Family}
		for j := range rs.Chains {
			for _, r := range whole(rs.Chains[j].Rules) {
				if slices.Contains(o.Saved, r.Origin) {
					with.Rules = append(with.Rules, savedRule{rs.Table, rs.Chains[j].Name, r.Origin.Line, r.Text, r.Proto, firstPort(&r), true})
				}
			}
		}
		if len(with.Rules) > 0 {
			addSaved(m, on, with, nil)
		}
	}
}

func firstPort(r *fact.Rule) int {
	if len(r.DPort) == 0 {
		return 0
	}
	return int(r.DPort[0].From)
}
