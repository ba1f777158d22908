package relate

import (
	"net/netip"

	"demine/internal/fact"
)

// A walk keeps, for all senders at once, which of them may have come how far.
// A rule that may or may not match sends the same sender both ways; at the end
// everybody who arrived and was never dropped can reach the door, and everybody
// who was both is uncertain. To be sent elsewhere is to be dropped, for this
// door.
type walk struct {
	packet
	net      *Net
	door     Door
	iface    string // by which the packet came to the host
	effort   *effort
	state    string // new, untracked, or unsure: both are possible
	base     *base
	levels   []level
	moves    []move
	accepted crowd // by the base chain that is walked
	arrived  crowd // at the door
	dropped  crowd // by any, or sent elsewhere
	came     crowd // at the door, sent by a rule
	accept   events
	drop     events
	nat      events
	doubt    events
	murky    bool // address translation that is not understood
}

// move is a crowd that a rule sends elsewhere.
type move struct {
	rule *fact.Rule
	set  crowd
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

// travel sends a crowd with a packet through base chains to where it goes.
func (w *walk) travel(p packet, stages []base, to arrival, here crowd) {
	state := w.state
	for i := range stages {
		if i > 0 && stages[i].inside != stages[i-1].inside { // the tracking of another namespace
			w.state = "new"
		}
		w.packet, w.base = p, &stages[i]
		if w.base.chain.Type == "nat" && w.state == "untracked" {
			continue
		}
		clear(w.accepted)
		w.moves = nil
		rest := w.chain(w.base.chain.Name, here, here.whole(), 0)
		w.policy(rest)
		copy(here, w.accepted)
		for _, m := range w.moves {
			w.move(p, &stages[i], m)
		}
	}
	w.arrive(p, to, here)
	w.state = state
}

// move goes on with those whom a rule sends elsewhere.
func (w *walk) move(p packet, at *base, m move) {
	next, ok := w.net.changed(p, at, m.rule, w.iface)
	if !ok || w.state == "unsure" { // everything may happen to them
		w.murky = true
		w.arrived.join(m.set, m.set.whole())
		w.dropped.join(m.set, m.set.whole())
		return
	}
	stages, to := w.net.stages(next, at)
	w.travel(next, stages, to, m.set)
}

// arrive notes who is where the packet goes.
func (w *walk) arrive(p packet, to arrival, here crowd) {
	if w.at(p, to) {
		w.arrived.join(here, here.whole())
		if p.natted {
			w.came.join(here, here.whole())
		}
		return
	}
	w.dropped.join(here, here.whole())
}

// at reports whether a packet that goes there comes to the door.
func (w *walk) at(p packet, to arrival) bool {
	d := &w.door
	if !to.lost && d.Also.IsValid() && d.Also == netip.AddrPortFrom(p.local, uint16(p.port)) {
		return true
	}
	if to.lost || p.port != d.Port || !d.Addr.IsUnspecified() && d.Addr != p.local {
		return false
	}
	in := w.net.other(d.NetNS)
	return to.here && in == nil || to.net != nil && to.net == in
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
		asked := r
		if w.base.masked && len(r.Src) > 0 { // of the sender that it sees nothing is known
			asked = &fact.Rule{}
		}
		part := w.effort.cells.pick(set, here, in, asked)
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
		w.send(r, l.set, in)
	case "other":
		if w.base.chain.Type == "nat" { // SNAT, MASQUERADE: it ends the chain
			w.accepting(l.set, in, r, chain)
			return
		}
		w.anything(r, chain, l, in)
	default:
		w.untrack(r, l, in, depth)
		l.here.join(l.set, in)
	}
}

// send notes who goes elsewhere by a rule. tproxy goes on in the chain.
func (w *walk) send(r *fact.Rule, set crowd, in extent) {
	for i := range w.moves {
		if w.moves[i].rule == r {
			w.moves[i].set.join(set, in)
			return
		}
	}
	x := w.effort.cells.crowd()
	x.join(set, in)
	w.moves = append(w.moves, move{r, x})
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

// untrack notes that conntrack will not know the packet: of everybody only where
// nothing before the rule let some go another way.
func (w *walk) untrack(r *fact.Rule, l level, in extent, depth int) {
	if r.Target != "NOTRACK" || w.state == "untracked" {
		return
	}
	rest := w.effort.cells.everybody()
	w.effort.steps += len(rest)
	rest.leave(l.set, in)
	rest.leave(w.dropped, rest.whole())
	w.state = "unsure"
	if depth == 0 && l.here.empty(in) && rest.empty(rest.whole()) {
		w.state = "untracked"
	}
}

// answer sums up.
func (w *walk) answer() Reach {
	c, all := w.effort.cells, w.arrived.whole()
	sure, maybe, except := c.crowd(), c.crowd(), c.everybody()
	sure.join(w.arrived, all)
	sure.leave(w.dropped, all)
	maybe.join(w.arrived, all)
	maybe.leave(sure, all)
	except.leave(sure, all)
	safe := c.sources(sure)
	var r Reach
	switch {
	case w.effort.tooMuch():
		return Reach{From: "cannot-tell", Why: "too-complex"}
	case safe.anywhere(w.v6):
		r = w.accept.best().reach("anywhere", "", nil)
		r.Except = c.sources(except).prefixes()
	case !maybe.empty(all) && w.murky:
		r = w.nat.best().reach("cannot-tell", "nat", safe.prefixes())
	case !maybe.empty(all):
		r = w.doubt.best().reach("cannot-tell", "unknown-match", safe.prefixes())
	case len(safe) > 0:
		r = w.accept.best().reach("some", "", safe.prefixes())
	case w.drop.best().chain != "":
		return w.drop.best().reach("nobody", "", nil)
	case w.nat.best().chain != "":
		return w.nat.best().reach("nobody", "nat", nil)
	default:
		return Reach{From: "nobody", Why: "routing"}
	}
	if !w.came.empty(all) {
		r.By = w.nat.best().rule
	}
	return r
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
