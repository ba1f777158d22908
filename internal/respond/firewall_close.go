package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
)

// firewallClose takes out of the filter in force the rule that lets everybody
// in to one port, and every rule of the same text in its chain. It reverts
// unless confirmed; what loads the filter at boot is firewall.close-saved's.
var firewallClose = define(spec[closeWith, closeSeen, closeUndo]{
	Name: "firewall.close", Phase: Harden, Plan: planClose,
	Look: lookClose, Prepare: prepareClose, Do: closePort, Undo: reopenPort,
})

type closeWith struct {
	Rule  RuleAt `json:"rule"`
	Proto string `json:"proto"`
	Port  int    `json:"port"`
	Named bool   `json:"named,omitempty"` // asked for by name: it may let in less or more than everybody to that port
}

// closeSeen is how many rules of the text there are, wherever they stand: other
// steps move them.
type closeSeen struct {
	Rules int `json:"rules"`
}

// closeUndo has the rules in the order of the chain.
type closeUndo struct {
	Rules []RuleImage `json:"rules"`
}

func lookClose(ctx context.Context, h *host.Host, with closeWith) (closeSeen, error) {
	sets, _ := h.Kernel.Firewall(ctx)
	if err := with.guard(ctx, h, sets); err != nil {
		return closeSeen{}, err
	}
	rules, _, err := with.Rule.find(sets)
	if errors.Is(err, ErrGone) {
		return closeSeen{}, ErrNothing
	}
	if err != nil {
		return closeSeen{}, err
	}
	seen := closeSeen{}
	for _, r := range rules {
		if r.Text != with.Rule.Text {
			continue
		}
		all := with.Rule.chain(sets).Rules
		if with.Named && !acceptsOnly(all, r.N) || !with.Named && !opensOnly(all, r.N, with.Proto, with.Port) {
			return seen, Refuse("refuse.firewall.not-only", "rule", r.Text, "port", with.Port)
		}
		seen.Rules++
	}
	return seen, nil
}

// acceptsOnly reports whether the rule at place n does nothing but let in: one
// that looks into a map is several rules, of which others may drop or jump.
func acceptsOnly(rules []fact.Rule, n int) bool {
	return !slices.ContainsFunc(rules, func(r fact.Rule) bool { return r.N == n && r.Verdict != "accept" })
}

// guard refuses what would shut operators out.
func (w closeWith) guard(ctx context.Context, h *host.Host, sets []fact.Ruleset) error {
	if w.Named {
		return guardSSHRule(ctx, h, sets, w.Rule)
	}
	return guardSSH(ctx, h, w.Port)
}

func prepareClose(ctx context.Context, w *Writer, with closeWith) (closeUndo, error) {
	sets, _ := w.Host.Kernel.Firewall(ctx)
	rules, _, err := with.Rule.find(sets)
	if err != nil {
		return closeUndo{}, drifted(err)
	}
	var u closeUndo
	for _, r := range rules {
		if r.Text != with.Rule.Text {
			continue
		}
		at := with.Rule
		at.N = r.N
		i, err := w.Filter.Image(ctx, at)
		if err != nil {
			return u, drifted(err)
		}
		u.Rules = append(u.Rules, i)
	}
	return u, nil
}

func closePort(ctx context.Context, w *Writer, with closeWith, u closeUndo) (i18n.Message, error) {
	for k := len(u.Rules) - 1; k >= 0; k-- { // last first: the places of the others stay
		err := w.Filter.Delete(ctx, with.Rule, u.Rules[k])
		if errors.Is(err, unix.EPERM) {
			return i18n.Message{}, Refuse("refuse.firewall.owned", "table", with.Rule.Family+" "+with.Rule.Table, "rule", with.Rule.Text)
		}
		if err != nil {
			return i18n.Message{}, fmt.Errorf("rule %q: %w", with.Rule.Text, err)
		}
	}
	sets, _ := w.Host.Kernel.Firewall(ctx)
	return closedDetail(sets, with), nil
}

// closedDetail says whether the port is really shut now: another rule or a
// policy may let the same in.
func closedDetail(sets []fact.Ruleset, with closeWith) i18n.Message {
	if with.Port == 0 || with.Proto == "" {
		return i18n.M("openrule.close.done")
	}
	for _, v6 := range []bool{false, true} {
		if with.Rule.Family != "inet" && (with.Rule.Family == "ip6") != v6 {
			continue
		}
		if r := reachOf(sets, with.Proto, with.Port, v6); wideOpen(r) {
			by := r.Why
			if r.Because != nil {
				by = r.Because.Text
			}
			return i18n.M("firewall.close.still-open", "port", with.Port, "family", familyWord(v6), "by", by)
		}
	}
	if with.Named { // it may have let in less than everybody, of whom nothing was asked
		return i18n.M("openrule.close.done.port", "port", with.Port)
	}
	return i18n.M("firewall.close.done", "port", with.Port)
}

func reopenPort(ctx context.Context, w *Writer, with closeWith, u closeUndo) error {
	back := 0
	for _, i := range u.Rules {
		err := w.Filter.Insert(ctx, with.Rule, i)
		if errors.Is(err, ErrNothing) {
			continue
		}
		if err != nil {
			return fmt.Errorf("rule %q: %w", with.Rule.Text, err)
		}
		back++
	}
	if back == 0 {
		return ErrNothing
	}
	return nil
}
