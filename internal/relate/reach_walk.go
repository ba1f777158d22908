package relate

import (
	"net/netip"
	"slices"

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
	levels   []*level
	moves    []move
	accepted flocks // by the base chain that is walked
	arrived  crowd  // at the door
	dropped  crowd  // by any, or sent elsewhere
	came     crowd  // at the door, sent by a rule
	accept   events
	drop     events
	nat      events
	doubt    events
	sent     []netip.AddrPort // where rules sent some instead
	murky    bool             // address translation that is not understood
	path     []*fact.Rule     // those that lead to the chain that is walked
}

// move is a flock that a rule sends elsewhere.
type move struct {
	rule *fact.Rule
	flock
}

// level are the crowds of one depth of jumps, used again and again: those who
// are before the next rule, those who are behind the chain, both good in a
// extent, and the parts that a rule matches.
type level struct {
	here, back flocks
	in         extent
	parts      []part
}

// part is those of a flock that a rule matches, in a extent.
type part struct {
	flock
	in extent
}

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
	asked uint32 // bits of the mark that some rule asks for
}

const (
	maxSteps = 50_000_000 // words of crowds that one listener may cost
	maxDepth = 32
)

func (e *effort) tooMuch() bool { return e.steps > maxSteps }

// travel sends flocks with a packet through base chains to where it goes.
func (w *walk) travel(p packet, stages []base, to arrival, here *flocks) {
	state := w.state
	for i := range stages {
		if i > 0 && stages[i].inside != stages[i-1].inside {
			w.enter(stages[i].inside, here)
		}
		w.packet, w.base = p, &stages[i]
		if w.base.chain.Type == "nat" && w.state == "untracked" {
			continue
		}
		w.moves, w.accepted.n = nil, 0
		w.policy(w.chain(w.base.chain.Name, here.used(), w.effort.cells.whole(), 0))
		here.n = 0
		here.join(&w.accepted, w.effort.cells, w.effort.cells.whole())
		for _, m := range w.moves {
			w.move(p, &stages[i], m)
		}
	}
	w.arrive(p, to, here)
	w.state = state
}

// enter is the way into another namespace, which has a tracking of its own and
// where marks are taken off (skb_scrub_packet).
func (w *walk) enter(in *fact.Network, here *flocks) {
	w.state = "new"
	c := w.effort.cells
	var all flocks
	set := all.of(w.trim(w.net.arriving(in)), c, c.whole())
	for _, g := range here.used() {
		set.join(g.set, c.whole())
	}
	*here = all
}

// trim leaves of a marking what rules ask for.
func (w *walk) trim(k marking) marking {
	return marking{k.value & w.effort.asked, k.hazy & w.effort.asked}
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
	w.travel(next, stages, to, &flocks{list: []flock{m.flock}, n: 1})
}

// arrive notes who is where the packet goes.
func (w *walk) arrive(p packet, to arrival, here *flocks) {
	if at := netip.AddrPortFrom(p.local, uint16(p.port)); p.natted && !slices.Contains(w.sent, at) {
		w.sent = append(w.sent, at)
	}
	for _, g := range here.used() {
		all := g.set.whole()
		if !w.at(p, to) {
			w.dropped.join(g.set, all)
			continue
		}
		w.arrived.join(g.set, all)
		if p.natted {
			w.came.join(g.set, all)
		}
	}
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

func (w *walk) policy(rest *flocks) {
	for _, g := range rest.used() {
		all, name := g.set.whole(), w.base.chain.Name
		switch {
		case g.set.empty(all):
		case w.base.chain.Policy == "drop" && !w.passes(nil):
			w.dropped.join(g.set, all)
			w.note(&w.drop, g.set, all, nil, name)
		default:
			w.accepting(part{g, all}, nil, name)
		}
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
		w.levels = append(w.levels, &level{})
	}
	return w.levels[depth]
}

// chain sends flocks of senders, in a extent, through a chain and gives those
// who come out of its end or return. The result is good in that window, until
// the next chain of that depth.
func (w *walk) chain(name string, senders []flock, in extent, depth int) *flocks {
	l, c := w.level(depth), w.effort.cells
	l.in, l.here.n, l.back.n = in, 0, 0
	for _, g := range senders {
		l.here.of(g.mark, c, in).join(g.set, in)
		w.effort.steps += in.hi - in.lo
	}
	if depth > maxDepth {
		w.effort.steps = maxSteps + 1
	}
	for _, r := range w.base.chains[name] {
		if w.effort.steps++; w.effort.tooMuch() {
			break
		}
		if sure, yes := w.match(r); yes {
			for _, p := range w.parts(r, name, l, sure) {
				w.apply(r, name, l, p, depth)
			}
		}
	}
	l.back.join(&l.here, c, in)
	return &l.back
}

// parts takes those that a rule matches out of a level; sure is that nothing
// else than sender and mark decides.
func (w *walk) parts(r *fact.Rule, chain string, l *level, sure bool) []part {
	asked := r
	if w.base.masked && len(r.Src) > 0 { // of the sender that it sees nothing is known
		asked = &fact.Rule{}
	}
	n := 0
	for _, g := range l.here.used() {
		marked := g.mark.meets(r.Mark)
		if marked == no {
			continue
		}
		if n == len(l.parts) {
			l.parts = append(l.parts, part{flock: flock{set: w.effort.cells.crowd()}})
		}
		p := &l.parts[n]
		p.mark, p.in = g.mark, w.effort.cells.pick(p.set, g.set, l.in, asked)
		w.effort.steps += max(0, p.in.hi-p.in.lo)
		if p.set.empty(p.in) {
			continue
		}
		n++
		if sure && marked == sureYes {
			g.set.leave(p.set, p.in)
		} else { // in the other world the rule does not match
			w.note(&w.doubt, p.set, p.in, r, chain)
		}
	}
	return l.parts[:n]
}

// apply does what a rule does to those that it matches.
func (w *walk) apply(r *fact.Rule, chain string, l *level, p part, depth int) {
	p.mark = w.trim(p.mark.after(r.SetMark))
	switch r.Verdict {
	case "accept":
		w.accepting(p, r, chain)
	case "drop", "reject":
		if w.passes(r) {
			w.goOn(&l.here, l, p)
			return
		}
		w.dropping(p, r, chain)
	case "return":
		w.goOn(&l.back, l, p)
	case "jump", "goto":
		w.jump(r, chain, l, p, depth)
	case "dnat", "redirect":
		w.note(&w.nat, p.set, p.in, r, chain)
		w.send(r, p)
	case "other":
		if w.base.chain.Type == "nat" { // SNAT, MASQUERADE: it ends the chain
			w.accepting(p, r, chain)
			return
		}
		w.anything(r, chain, l, p)
	default:
		w.untrack(r, l, p, depth)
		w.goOn(&l.here, l, p)
	}
}

// goOn puts a part among those of a level.
func (w *walk) goOn(to *flocks, l *level, p part) {
	to.of(p.mark, w.effort.cells, l.in).join(p.set, p.in)
}

// send notes who goes elsewhere by a rule. tproxy goes on in the chain.
func (w *walk) send(r *fact.Rule, p part) {
	for _, m := range w.moves {
		if m.rule == r && m.mark == p.mark {
			m.set.join(p.set, p.in)
			return
		}
	}
	x := w.effort.cells.crowd()
	x.join(p.set, p.in)
	w.moves = append(w.moves, move{r, flock{p.mark, x}})
}

// accepting ends the base chain for a part: a policy's where r is nil.
func (w *walk) accepting(p part, r *fact.Rule, chain string) {
	c := w.effort.cells
	w.accepted.of(p.mark, c, c.whole()).join(p.set, p.in)
	w.note(&w.accept, p.set, p.in, r, chain)
}

func (w *walk) dropping(p part, r *fact.Rule, chain string) {
	w.dropped.join(p.set, p.in)
	w.note(&w.drop, p.set, p.in, r, chain)
}

// jump comes back to the next rule, goto to where the chain was jumped to from.
func (w *walk) jump(r *fact.Rule, chain string, l *level, p part, depth int) {
	if _, ok := w.base.chains[r.Target]; !ok {
		w.anything(r, chain, l, p)
		return
	}
	to := &l.here
	if r.Verdict == "goto" {
		to = &l.back
	}
	w.path = append(w.path, r)
	for _, g := range w.chain(r.Target, []flock{p.flock}, p.in, depth+1).used() {
		w.goOn(to, l, part{g, p.in})
	}
	w.path = w.path[:len(w.path)-1]
}

// anything is a target that is not known: it may do everything.
func (w *walk) anything(r *fact.Rule, chain string, l *level, p part) {
	p.mark = w.trim(marking{hazy: ^uint32(0)})
	w.accepting(p, r, chain)
	if !w.passes(r) {
		w.dropping(p, r, chain)
	}
	w.note(&w.doubt, p.set, p.in, r, chain)
	w.goOn(&l.here, l, p)
}

// untrack notes that conntrack will not know the packet: of everybody only where
// nothing before the rule let some go another way.
func (w *walk) untrack(r *fact.Rule, l *level, p part, depth int) {
	if r.Target != "NOTRACK" || w.state == "untracked" {
		return
	}
	c := w.effort.cells
	rest := c.everybody()
	w.effort.steps += len(rest)
	rest.leave(p.set, p.in)
	rest.leave(w.dropped, rest.whole())
	w.state = "unsure"
	if depth == 0 && l.here.empty(l.in) && l.back.empty(l.in) && w.accepted.empty(c.whole()) && rest.empty(rest.whole()) {
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
