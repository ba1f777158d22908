package relate

import (
	"net/netip"
	"slices"

	"demine/internal/fact"
)

// A walk keeps, for all senders at once, which of them may have come how far.
// A rule that may or may not match sends the same sender both ways; at the end
// everybody who was accepted and never dropped can reach the port, and everybody
// who was both is uncertain.
type walk struct {
	packet
	state   string // new, untracked, or unsure: both are possible
	all     sources
	base    *base
	accept  []event // by the base chain that is walked
	drop    []event
	nat     []event
	doubts  []event
	complex bool
}

// event is what happened to some senders, and where. A nil rule is a policy.
type event struct {
	set   sources
	rule  *fact.Rule
	chain string
	ref   fact.Ref
}

const (
	maxSteps = 1_000_000 // of all walks for one listener
	maxDepth = 32
)

// effort is shared by the walks for one listener: how many steps they took, and
// the sources of each rule, which are the same for all of them.
type effort struct {
	steps   int
	sources map[*fact.Rule]sources
}

func (p packet) walk(bases []base) Reach {
	w := &walk{packet: p, state: "new", all: p.outside}
	here := w.all
	var accepted []event
	for i := range bases {
		w.base, w.accept = &bases[i], nil
		rest := w.chain(bases[i].chain.Name, here, 0)
		w.policy(rest)
		accepted = append(accepted, w.accept...)
		here = nil
		for _, e := range w.accept {
			here = here.union(e.set)
		}
	}
	return w.answer(here, accepted)
}

func (w *walk) policy(rest sources) {
	if len(rest) == 0 {
		return
	}
	e := w.event(rest, nil, w.base.chain.Name)
	if w.base.chain.Policy == "drop" {
		w.drop = append(w.drop, e)
	} else {
		w.accept = append(w.accept, e)
	}
}

func (w *walk) event(s sources, r *fact.Rule, chain string) event {
	return event{s, r, chain, w.base.ref}
}

// chain sends senders through a chain and gives those who come out of its end
// or return.
func (w *walk) chain(name string, here sources, depth int) (back sources) {
	rules := w.base.chains[name]
	if depth > maxDepth {
		w.complex = true
		return here
	}
	for _, r := range rules {
		if len(here) == 0 {
			return back
		}
		if w.effort.steps++; w.effort.steps > maxSteps {
			w.complex = true
			return back.union(here)
		}
		set, sure, yes := w.match(r)
		if set = set.and(here); !yes || len(set) == 0 {
			continue
		}
		stays, returns := w.apply(r, name, set, depth)
		back = back.union(returns)
		if !sure {
			w.doubts = append(w.doubts, w.event(set, r, name))
			continue // in the other world the rule did not match
		}
		here = here.minus(set).union(stays)
	}
	return back.union(here)
}

// apply does what a rule does to those that it matches: who goes on to the next
// rule, and who leaves the chain.
func (w *walk) apply(r *fact.Rule, chain string, set sources, depth int) (stays, returns sources) {
	switch r.Verdict {
	case "accept":
		w.accept = append(w.accept, w.event(set, r, chain))
	case "drop", "reject":
		w.drop = append(w.drop, w.event(set, r, chain))
	case "return":
		return nil, set
	case "jump", "goto":
		if _, ok := w.base.chains[r.Target]; !ok {
			w.anything(set, r, chain)
			return set, nil
		}
		if r.Verdict == "goto" {
			return nil, w.chain(r.Target, set, depth+1)
		}
		return w.chain(r.Target, set, depth+1), nil
	case "dnat", "redirect":
		w.nat = append(w.nat, w.event(set, r, chain))
		w.accept = append(w.accept, w.event(set, r, chain))
	case "other":
		if w.base.chain.Type == "nat" { // SNAT, MASQUERADE: it ends the chain
			w.accept = append(w.accept, w.event(set, r, chain))
			return nil, nil
		}
		w.anything(set, r, chain)
		return set, nil
	default:
		w.untrack(r, set)
		return set, nil
	}
	return nil, nil
}

// anything is a target that is not known: it may do everything.
func (w *walk) anything(set sources, r *fact.Rule, chain string) {
	e := w.event(set, r, chain)
	w.accept, w.drop, w.doubts = append(w.accept, e), append(w.drop, e), append(w.doubts, e)
}

// untrack notes that conntrack will not know the packet.
func (w *walk) untrack(r *fact.Rule, set sources) {
	if r.Target != "NOTRACK" {
		return
	}
	w.state = "unsure"
	if len(w.all.minus(set)) == 0 && len(r.Unknown) == 0 {
		w.state = "untracked"
	}
}

// answer sums up. here are those whom the last base chain accepted.
func (w *walk) answer(here sources, accepted []event) Reach {
	var dropped sources
	for _, e := range w.drop {
		dropped = dropped.union(e.set)
	}
	sure, maybe := here.minus(dropped), here.and(dropped)
	switch {
	case w.complex:
		return Reach{From: "cannot-tell", Why: "too-complex"}
	case len(here) > 0 && len(w.nat) > 0:
		return largest(w.nat).reach("cannot-tell", "nat", nil)
	case sure.anywhere(w.v6):
		r := best(accepted).reach("anywhere", "", nil)
		r.Except = w.all.minus(sure).prefixes()
		return r
	case len(maybe) > 0:
		return largest(w.doubts).reach("cannot-tell", "unknown-match", sure.prefixes())
	case len(sure) > 0:
		return best(accepted).reach("some", "", sure.prefixes())
	}
	return best(w.drop).reach("nobody", "", nil)
}

func (e event) reach(from, why string, who []netip.Prefix) Reach {
	if why == "" {
		why = "rule"
		if e.rule == nil {
			why = "policy"
		}
	}
	return Reach{From: from, Sources: who, Because: e.rule, Chain: e.chain, Ruleset: e.ref, Why: why}
}

// best is the largest event of a rule; a policy only when there is none.
func best(all []event) event {
	rules := slices.DeleteFunc(slices.Clone(all), func(e event) bool { return e.rule == nil })
	if len(rules) > 0 {
		return largest(rules)
	}
	return largest(all)
}

func largest(all []event) (out event) {
	size := -1.0
	for _, e := range all {
		if n := e.set.size(); n > size {
			out, size = e, n
		}
	}
	return out
}
