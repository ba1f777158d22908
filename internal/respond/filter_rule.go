package respond

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/format/xtables"
	"demine/internal/host"
)

func (f liveFilter) Image(ctx context.Context, r RuleAt) (RuleImage, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sets, err := rulesInForce(ctx)
	if err != nil {
		return RuleImage{}, err
	}
	rules, n, err := r.find(sets)
	if err != nil {
		return RuleImage{}, err
	}
	i := surroundings(rules, n)
	if r.Backend != "iptables-legacy" {
		return i, imageNFT(r, &i)
	}
	t, err := r.table()
	if err != nil {
		return i, err
	}
	e, err := t.Rule(r.Chain, n)
	i.Bytes, i.Jump, i.Falls = e.Bytes, e.Jump, e.Next
	return i, err
}

// table is the table of a rule of iptables-legacy.
func (r RuleAt) table() (*xtables.Table, error) {
	info, blob, err := host.XTable(r.Family, r.Table)
	if err != nil {
		return nil, err
	}
	return xtables.Load(r.Family, info, blob)
}

// surroundings describes the n-th of the rules without its bytes.
func surroundings(rules []fact.Rule, n int) RuleImage {
	i := RuleImage{N: n, Handle: rules[n-1].Handle}
	if n > 1 {
		i.Prev = rules[n-2].Text
	}
	if n < len(rules) {
		i.Next = rules[n].Text
	}
	for _, x := range rules {
		if x.Text == rules[n-1].Text {
			i.Same++
		}
	}
	return i
}

func (f liveFilter) Delete(ctx context.Context, r RuleAt, i RuleImage) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.N = i.N
	if r.Backend != "iptables-legacy" {
		return editNFTables(func(*nfTables) ([]message, error) {
			rules, n, err := r.inForce(ctx)
			if err != nil {
				return nil, drifted(err)
			}
			k := slices.IndexFunc(rules, func(x fact.Rule) bool { return x.Handle == i.Handle })
			if k < 0 || rules[k].Text != r.Text {
				k = n - 1
			}
			return []message{deleteNFT(r, rules[k].Handle)}, nil
		})
	}
	return editXT(r.Family, r.Table, func(t *xtables.Table, chains []fact.Chain) error {
		_, n, err := r.find(r.inTable(chains))
		if err != nil {
			return drifted(err)
		}
		return t.Delete(r.Chain, n)
	})
}

// inForce finds the rule in what is in force now.
func (r RuleAt) inForce(ctx context.Context) ([]fact.Rule, int, error) {
	sets, err := rulesInForce(ctx)
	if err != nil {
		return nil, 0, err
	}
	return r.find(sets)
}

// inTable is one table in the form that find wants.
func (r RuleAt) inTable(chains []fact.Chain) []fact.Ruleset {
	return []fact.Ruleset{{Backend: r.Backend, Family: r.Family, Table: r.Table, Chains: chains}}
}

// drifted: what was to be changed is gone.
func drifted(err error) error {
	if errors.Is(err, ErrGone) || errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%w: %w", ErrDrifted, err)
	}
	return err
}

func (f liveFilter) Insert(ctx context.Context, r RuleAt, i RuleImage) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if r.Backend != "iptables-legacy" {
		return editNFTables(func(*nfTables) ([]message, error) {
			sets, err := rulesInForce(ctx)
			if err != nil {
				return nil, err
			}
			rules, n, err := r.place(sets, i)
			if err != nil {
				return nil, err
			}
			return insertNFT(r, i, rules, n), nil
		})
	}
	return editXT(r.Family, r.Table, func(t *xtables.Table, chains []fact.Chain) error {
		_, n, err := r.place(r.inTable(chains), i)
		if err != nil {
			return err
		}
		return t.Insert(r.Chain, n, xtables.Entry{Bytes: i.Bytes, Jump: i.Jump, Next: i.Falls})
	})
}

// place is where a rule is put back, from 1, among the rules that are there.
func (r RuleAt) place(sets []fact.Ruleset, i RuleImage) ([]fact.Rule, int, error) {
	c := r.chain(sets)
	if c == nil {
		return nil, 0, fmt.Errorf("%w: no chain %s", ErrDrifted, r.Chain)
	}
	rules := whole(c.Rules)
	same, best, score := 0, 0, -1
	for k := range len(rules) + 1 {
		if k < len(rules) && rules[k].Text == r.Text {
			same++
		}
		s := i.fits(rules, k)
		if s > score || s == score && s > 0 && distance(k+1, i.N) < distance(best, i.N) {
			best, score = k+1, s
		}
	}
	switch {
	case same >= i.Same:
		return rules, 0, ErrNothing
	case score <= 0:
		return rules, 0, fmt.Errorf("%w: the rules around it are not there any more", ErrDrifted)
	}
	return rules, best, nil
}

// fits says how well a rule would stand at k, from 0, where it stood: 3 between
// the same two, 2 behind the same, 1 before the same, 0 neither. The chain's
// beginning and end are nobody's neighbours unless it is alone.
func (i RuleImage) fits(rules []fact.Rule, k int) int {
	first, last := k == 0, k == len(rules)
	prev := !first && i.Prev != "" && rules[k-1].Text == i.Prev
	next := !last && i.Next != "" && rules[k].Text == i.Next
	switch {
	case (prev || first && i.Prev == "") && (next || last && i.Next == ""):
		return 3
	case prev:
		return 2
	case next:
		return 1
	}
	return 0
}
