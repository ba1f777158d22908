package respond

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
)

// LiveFilter is the packet filter of the network namespace that demine runs in.
func LiveFilter() Filter {
	return liveFilter{ways: []way{inetWay, ipWay, legacyWay}, markers: []marker{nftMarker{}, xtMarker{xtLeaseList}}}
}

// liveFilter does all of a change on one thread, in its network namespace. Of
// ways and markers the first is used that this kernel has.
type liveFilter struct {
	ways    []way
	markers []marker
}

// way is one of the means by which a kernel can shut ports: to put exactly
// these shuts in force instead of those that are. No shuts take all away.
type way struct {
	name string
	mine func(*fact.Ruleset) bool // a table that it may have made
	set  func(sets []fact.Ruleset, shuts []Shut) error
}

var (
	// inetWay: since Linux 3.14, with the module nf_tables_inet.
	inetWay = way{"nf_tables", func(rs *fact.Ruleset) bool { return isShutTable(rs) && rs.Family == "inet" },
		func(sets []fact.Ruleset, shuts []Shut) error { return setNFT(sets, shuts, "inet") }}
	// ipWay: one table for each family.
	ipWay = way{"nf_tables of each family", func(rs *fact.Ruleset) bool { return isShutTable(rs) && rs.Family != "inet" },
		func(sets []fact.Ruleset, shuts []Shut) error { return setNFT(sets, shuts, "ip", "ip6") }}
	legacyWay = way{"iptables-legacy", hasXTShut, setXT}
)

func (f liveFilter) Shut(ctx context.Context, s Shut) error {
	return f.change(ctx, func(have []Shut) ([]Shut, error) {
		return append(slices.DeleteFunc(have, s.samePort), s.normal()), nil
	})
}

func (f liveFilter) Reopen(ctx context.Context, s Shut) error {
	return f.change(ctx, func(have []Shut) ([]Shut, error) {
		if !slices.ContainsFunc(have, s.samePort) {
			return nil, ErrNothing
		}
		return slices.DeleteFunc(have, s.samePort), nil
	})
}

func (s Shut) samePort(o Shut) bool { return s.Proto == o.Proto && s.Port == o.Port }

func (f liveFilter) Shuts(ctx context.Context) ([]Shut, error) {
	sets, err := rulesInForce(ctx)
	return shutsIn(sets), err
}

// change puts other shuts in force, by the way of those that are, else by the
// first that this kernel has.
func (f liveFilter) change(ctx context.Context, edit func([]Shut) ([]Shut, error)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sets, err := rulesInForce(ctx)
	if err != nil {
		return err
	}
	shuts, err := edit(shutsIn(sets))
	if err != nil {
		return err
	}
	var errs []error
	for _, w := range f.usable(sets) {
		err := w.set(sets, shuts)
		if err == nil || errors.Is(err, unix.EPERM) || errors.Is(err, ErrDrifted) {
			return err
		}
		errs = append(errs, fmt.Errorf("%s: %w", w.name, err))
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, errors.Join(errs...))
}

func (f liveFilter) usable(sets []fact.Ruleset) []way {
	for _, w := range f.ways {
		if slices.ContainsFunc(sets, func(rs fact.Ruleset) bool { return w.mine(&rs) }) {
			return []way{w}
		}
	}
	return f.ways
}

// rulesInForce reads the filter; what could not be read is an error, since a
// change must know all of it.
func rulesInForce(ctx context.Context) ([]fact.Ruleset, error) {
	return whatInForce(host.ReadFirewall(ctx))
}

// placesInForce is rulesInForce without what is in sets of nftables.
func placesInForce(ctx context.Context) ([]fact.Ruleset, error) {
	return whatInForce(host.ReadRules(ctx))
}

func whatInForce(sets []fact.Ruleset, gaps []fact.Gap) ([]fact.Ruleset, error) {
	for _, g := range gaps {
		if g.Code != "not-read" {
			return sets, fmt.Errorf("read the packet filter: %s: %s", g.What, g.Detail)
		}
	}
	return sets, nil
}

// setNFT does it in one transaction for all families.
func setNFT(sets []fact.Ruleset, shuts []Shut, families ...string) error {
	return editNFTables(func(n *nfTables) (batch []netlink.Message, err error) {
		for _, family := range families {
			batch = append(batch, nftShut(family, shutChains(sets, family), shuts)...)
		}
		return batch, nil
	})
}

// shutChains names the chains of demine's own table in a family.
func shutChains(sets []fact.Ruleset, family string) []string {
	var out []string
	for i := range sets {
		if isShutTable(&sets[i]) && sets[i].Family == family {
			for _, c := range sets[i].Chains {
				out = append(out, c.Name)
			}
		}
	}
	return out
}
