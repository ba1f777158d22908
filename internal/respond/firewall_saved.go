package respond

import (
	"encoding/json"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
)

// firewallCloseSaved takes the rules that firewall.close takes out of the
// filter in force out of a file that loads it at boot. It waits for the
// confirmation: a reboot before it brings the old rules back.
var firewallCloseSaved = editing[savedWith]{
	name: "firewall.close-saved", phase: Harden,
	path: func(w savedWith) fact.Path { return w.Path },
	find: findSaved,
	done: func(w savedWith, edits []lineEdit) i18n.Message {
		return i18n.M("firewall.saved.done", "path", w.Path.String(), "n", len(edits), "ports", w.ports())
	},
}.action()

// savedWith are rules of one file; Backend and Family say how it is read.
type savedWith struct {
	Path    fact.Path   `json:"path"`
	Backend string      `json:"backend"`
	Family  string      `json:"family"`
	Rules   []savedRule `json:"rules"`
}

// savedRule is a rule that lets everybody in to one port and does nothing else,
// or one that was named.
type savedRule struct {
	Table string `json:"table"`
	Chain string `json:"chain"`
	Line  int    `json:"line"`
	Text  string `json:"text"`
	Proto string `json:"proto"`
	Port  int    `json:"port"`
	Named bool   `json:"named,omitempty"` // as of closeWith
}

func (w savedWith) ports() (out []int) {
	for _, r := range w.Rules {
		if !slices.Contains(out, r.Port) {
			out = append(out, r.Port)
		}
	}
	return out
}

// planSaved adds the files that would open the port again at the next boot: one
// step a file, also for several ports.
func planSaved(m *Making, e *relate.Exposure, taken []opening, because []string) {
	for i := range m.X.S.Firewall {
		rs := &m.X.S.Firewall[i]
		if rs.Persisted == "" {
			continue
		}
		with := savedWith{Path: rs.Persisted, Backend: rs.Backend, Family: rs.Family}
		for j := range rs.Chains {
			c := &rs.Chains[j]
			if !loadsInto(rs, c, taken) {
				continue
			}
			for _, r := range whole(c.Rules) {
				if opensOnly(c.Rules, r.N, e.Proto, e.Port) {
					with.Rules = append(with.Rules, savedRule{rs.Table, c.Name, r.Origin.Line, r.Text, e.Proto, e.Port, false})
				}
			}
		}
		if len(with.Rules) > 0 {
			addSaved(m, []fact.Ref{e.Ref}, with, because)
		}
	}
}

// loadsInto reports whether a chain of a file becomes one that a rule is taken
// out of.
func loadsInto(rs *fact.Ruleset, c *fact.Chain, taken []opening) bool {
	return slices.ContainsFunc(taken, func(o opening) bool {
		switch rs.Backend {
		case "firewalld": // IN_public_allow in iptables, filter_IN_public_allow in nftables
			return strings.HasSuffix(o.at.Chain, "IN_"+rs.Table+"_allow")
		case "nft":
			return o.at.Backend == "nft" && o.at.Family == rs.Family && o.at.Table == rs.Table && o.at.Chain == c.Name
		}
		return o.at.Family == rs.Family && o.at.Table == rs.Table && o.at.Chain == c.Name
	})
}

func addSaved(m *Making, on []fact.Ref, with savedWith, because []string) {
	step := Step{
		Do: "firewall.close-saved", Phase: Harden, OnConfirm: true, Keeps: KeepsDoor, Target: with.Path.String(),
		On: on, Because: because, Back: i18n.M("firewall.saved.back", "path", with.Path.String()),
	}
	if old := m.Find(step.Do, step.Target); old != nil {
		var had savedWith
		if json.Unmarshal(old.With, &had) == nil {
			with.Rules = union(had.Rules, with.Rules)
			old.With, _ = json.Marshal(with)
		}
	}
	s := m.Add(step, with)
	s.What = i18n.M("firewall.saved.what", "path", with.Path.String(), "ports", with.ports(), "rule", with.Rules[0].Text)
	s.Breaks = []i18n.Message{i18n.M("firewall.saved.breaks", "ports", with.ports())}
}
