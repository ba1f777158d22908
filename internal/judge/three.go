package judge

import (
	"maps"

	"demine/internal/fact"
	"demine/internal/relate"
)

// Unseen is something that a decision leaned on and that was not fully seen.
type Unseen struct {
	Observer string
	Gap      fact.Gap
}

// tracker follows one evaluation. A question whose answer is not known takes
// its answer from assign, and the first that is not in it is remembered: the
// caller then tries both answers.
type tracker struct {
	x      *relate.Index
	assign map[string]bool
	open   string // first question without an answer
	unseen []Unseen
}

// covered notes the lean on an observer that did not see all, and reports
// whether it did.
func (t *tracker) covered(observer string) bool {
	ok, c := t.x.Covered(observer)
	if ok {
		return true
	}
	g := fact.Gap{Code: "unseen"}
	if len(c.Gaps) > 0 {
		g = c.Gaps[0]
	}
	for _, u := range t.unseen {
		if u.Observer == observer {
			return false
		}
	}
	t.unseen = append(t.unseen, Unseen{Observer: observer, Gap: g})
	return false
}

// ask answers a yes-or-no question whose answer is only known if observer saw
// all: a "yes" is certain anyway, since it was seen.
func (t *tracker) ask(question, observer string, seen bool) bool {
	if seen || t.covered(observer) {
		return seen
	}
	if a, ok := t.assign[question]; ok {
		return a
	}
	if t.open == "" {
		t.open = question
	}
	return false
}

// truth is a truth value with a third: neither can be said.
type truth int

const (
	no truth = iota
	yes
	unknown
)

// The most open questions that are tried both ways; with more the answer is
// unknown.
const maxQuestions = 6

// truth evaluates a condition over what is not known: it is yes or no when
// every possible answer to the open questions makes it so. (Kleene's logic
// would call "a or not a" unknown; this does not.) A "no" that leaned on a list
// which was not fully seen is unknown; a "yes" says so in the Unseen.
func (a *Asker) truth(e *Expr, it any) (truth, []Unseen, error) {
	var unseen []Unseen
	var explore func(assign map[string]bool) (truth, error)
	explore = func(assign map[string]bool) (truth, error) {
		v, err := a.run(e, it, assign)
		t := a.t
		if err != nil {
			return unknown, err
		}
		if t.open != "" {
			unseen = t.unseen
			if len(assign) >= maxQuestions {
				return unknown, nil
			}
			return bothWays(assign, t.open, explore)
		}
		b, _ := v.(bool)
		if len(assign) == 0 {
			unseen = t.unseen
			if !b && len(t.unseen) > 0 {
				return unknown, nil
			}
		}
		if b {
			return yes, nil
		}
		return no, nil
	}
	r, err := explore(nil)
	return r, unseen, err
}

func bothWays(assign map[string]bool, q string, explore func(map[string]bool) (truth, error)) (truth, error) {
	var got [2]truth
	for i, answer := range []bool{false, true} {
		a := maps.Clone(assign)
		if a == nil {
			a = map[string]bool{}
		}
		a[q] = answer
		r, err := explore(a)
		if err != nil {
			return unknown, err
		}
		got[i] = r
	}
	if got[0] == got[1] {
		return got[0], nil
	}
	return unknown, nil
}
