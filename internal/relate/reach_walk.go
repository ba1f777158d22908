package relate

import (
	"net/netip"

	"demine/internal/fact"
)

// A walk keeps, for all senders at once, which of them may have come how far.
// A rule that may or may not match sends the same sender both ways; at the end
// everybody who was accepted and never dropped can reach the port, and everybody
// who was both is uncertain.
type walk struct {
	packet
	state    string // new, untracked, or unsure: both are possible
	base     *base
	levels   []level
	accepted crowd // by the base chain that is walked
	dropped  crowd // by any
	accept   events
	drop     events
	nat      events
	doubt    events
}

// level are the crowds of one depth of jumps, used again and again.
type level struct{ here, set, back crowd }

// events keep what happened to most senders, of rules and of policies apart.
type events struct{ rule, policy event }

// event is what happened to some senders, and where. A nil rule is a policy.
type event struct {
	size  float64
	rule  *fact.Rule
	chain string
	ref   fact.Ref
}

// effort is shared by the walks for one listener.
type effort struct {
	cells *cells
	steps int
}

const (
	maxSteps = 50_000_000 // words of crowds that one listener may cost
	maxDepth = 32
)

func (e *effort) tooMuch() bool { return e.steps > maxSteps }

func (p packet) walk(bases []base) Reach {
	c := p.effort.cells
	w := &walk{packet: p, state: "new", accepted: c.crowd(), dropped: c.crowd()}
	here := c.everybody()
	for i := range bases {
		w.base = &bases[i]
		clear(w.accepted)
		rest := w.chain(bases[i].chain.Name, here, here.whole(), 0)
		w.policy(rest)
		copy(here, w.accepted)
	}
	return w.answer(here)
}

func (w *walk) policy(rest crowd) {
	all := rest.whole()
	if rest.empty(all) {
		return
	}
	if w.base.chain.Policy == "drop" {
		w.dropped.join(rest, all)
		w.note(&w.drop, rest, all, nil, w.base.chain.Name)
	} else {
		w.accepted.join(rest, all)
		w.note(&w.accept, rest, all, nil, w.base.chain.Name)
	}
}

// note keeps an event when it is the largest of its kind, the first of equals.
func (w *walk) note(e *events, set crowd, in extent, r *fact.Rule, chain string) {
	best := &e.policy
	if r != nil {
		best = &e.rule
	}
	w.effort.steps += in.hi - in.lo
	if n := w.effort.cells.count(set, in); best.chain == "" || n > best.size {
		*best = event{n, r, chain, w.base.ref}
	}
}

func (w *walk) level(depth int) *level {
	for len(w.levels) <= depth {
		c := w.effort.cells
		w.levels = append(w.levels, level{c.crowd(), c.crowd(), c.crowd()})
	}
	return &w.levels[depth]
}

// chain sends the senders of a extent through a chain and gives those who come
// out of its end or return. The result is good in that window, until the next
// chain of that depth.
func (w *walk) chain(name string, senders crowd, in extent, depth int) crowd {
	l := *w.level(depth)
	here, set, back := l.here, l.set, l.back
	clear(back[in.lo:in.hi])
	copy(here[in.lo:in.hi], senders[in.lo:in.hi])
	w.effort.steps += in.hi - in.lo
	if depth > maxDepth {
		w.effort.steps = maxSteps + 1
	}
	for _, r := range w.base.chains[name] {
		if w.effort.steps++; w.effort.tooMuch() {
			break
		}
		sure, yes := w.match(r)
		if !yes {
			continue
		}
		part := w.effort.cells.pick(set, here, in, r)
		w.effort.steps += max(0, part.hi-part.lo)
		if set.empty(part) {
			continue
		}
		if sure {
			here.leave(set, part)
		} else { // in the other world the rule does not match
			w.note(&w.doubt, set, part, r, name)
		}
		w.apply(r, name, l, part, depth)
	}
	back.join(here, in)
	return back
}

// apply does what a rule does to those that it matches, who are l.set.
func (w *walk) apply(r *fact.Rule, chain string, l level, in extent, depth int) {
	switch r.Verdict {
	case "accept":
		w.accepting(l.set, in, r, chain)
	case "drop", "reject":
		w.dropping(l.set, in, r, chain)
	case "return":
		l.back.join(l.set, in)
	case "jump", "goto":
		w.jump(r, chain, l, in, depth)
	case "dnat", "redirect":
		w.note(&w.nat, l.set, in, r, chain)
		w.accepting(l.set, in, r, chain)
	case "other":
		if w.base.chain.Type == "nat" { // SNAT, MASQUERADE: it ends the chain
			w.accepting(l.set, in, r, chain)
			return
		}
		w.anything(r, chain, l, in)
	default:
		w.untrack(r)
		l.here.join(l.set, in)
	}
}

func (w *walk) accepting(set crowd, in extent, r *fact.Rule, chain string) {
	w.accepted.join(set, in)
	w.note(&w.accept, set, in, r, chain)
}

func (w *walk) dropping(set crowd, in extent, r *fact.Rule, chain string) {
	w.dropped.join(set, in)
	w.note(&w.drop, set, in, r, chain)
}

// jump comes back to the next rule, goto to where the chain was jumped to from.
func (w *walk) jump(r *fact.Rule, chain string, l level, in extent, depth int) {
	if _, ok := w.base.chains[r.Target]; !ok {
		w.anything(r, chain, l, in)
		return
	}
	back := w.chain(r.Target, l.set, in, depth+1)
	if r.Verdict == "goto" {
		l.back.join(back, in)
	} else {
		l.here.join(back, in)
	}
}

// anything is a target that is not known: it may do everything.
func (w *walk) anything(r *fact.Rule, chain string, l level, in extent) {
	w.accepting(l.set, in, r, chain)
	w.dropping(l.set, in, r, chain)
	w.note(&w.doubt, l.set, in, r, chain)
	l.here.join(l.set, in)
}

// untrack notes that conntrack will not know the packet.
func (w *walk) untrack(r *fact.Rule) {
	if r.Target != "NOTRACK" {
		return
	}
	w.state = "unsure"
	if len(r.Src) == 0 && len(r.Unknown) == 0 {
		w.state = "untracked"
	}
}

// answer sums up. here are those whom the last base chain accepted.
func (w *walk) answer(here crowd) Reach {
	c, all := w.effort.cells, here.whole()
	sure, maybe, except := c.crowd(), c.crowd(), c.everybody()
	sure.join(here, all)
	sure.leave(w.dropped, all)
	maybe.join(here, all)
	maybe.leave(sure, all)
	except.leave(sure, all)
	safe := c.sources(sure)
	switch {
	case w.effort.tooMuch():
		return Reach{From: "cannot-tell", Why: "too-complex"}
	case !here.empty(all) && w.nat.rule.chain != "":
		return w.nat.best().reach("cannot-tell", "nat", nil)
	case safe.anywhere(w.v6):
		r := w.accept.best().reach("anywhere", "", nil)
		r.Except = c.sources(except).prefixes()
		return r
	case !maybe.empty(all):
		return w.doubt.best().reach("cannot-tell", "unknown-match", safe.prefixes())
	case len(safe) > 0:
		return w.accept.best().reach("some", "", safe.prefixes())
	}
	return w.drop.best().reach("nobody", "", nil)
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
func (e events) best() event {
	if e.rule.chain != "" {
		return e.rule
	}
	return e.policy
}
