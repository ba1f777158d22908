package respond

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// hasXTShut reports whether a table has a chain of demine's own.
func hasXTShut(rs *fact.Ruleset) bool {
	for i := range rs.Chains {
		if _, ok := shutOf(rs, &rs.Chains[i]); ok && rs.Backend == "iptables-legacy" {
			return true
		}
	}
	return false
}

// setXT is the way of kernels without nf_tables: chains in the table filter
// that INPUT jumps to first. Who is kept returns to the host's own rules. A host
// without IPv6 needs none there.
func setXT(_ []fact.Ruleset, shuts []Shut) error {
	if err := setXTFamily("ip", shuts); err != nil {
		return err
	}
	err := setXTFamily("ip6", shuts)
	for _, none := range []error{unix.EAFNOSUPPORT, unix.ENOPROTOOPT, unix.EPROTONOSUPPORT} {
		if errors.Is(err, none) {
			return nil
		}
	}
	return err
}

func setXTFamily(family string, shuts []Shut) error {
	return editXT(family, "filter", func(t *xtables.Table, chains []fact.Chain) error {
		for _, c := range chains {
			if strings.HasPrefix(c.Name, xtShut) {
				if err := t.DeleteChain(c.Name); err != nil {
					return err
				}
			}
		}
		for _, s := range shuts {
			if err := addXTShut(t, family, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func addXTShut(t *xtables.Table, family string, s Shut) error {
	rules := []xtables.Entry{xtables.NewEntry(family, xtables.Criteria{In: "lo"}, xtables.Return)}
	for _, i := range s.Interfaces {
		rules = append(rules, xtables.NewEntry(family, xtables.Criteria{In: i}, xtables.Return))
	}
	for _, p := range s.Keep {
		if familyOf(p) == family {
			rules = append(rules, xtables.NewEntry(family, xtables.Criteria{Src: p}, xtables.Return))
		}
	}
	rules = append(rules, xtables.NewEntry(family, xtables.Criteria{}, xtables.Drop))
	if err := t.AddChain(xtShut+s.door(), rules); err != nil {
		return err
	}
	jump := xtables.NewEntry(family, xtables.Criteria{Proto: s.Proto, DPort: uint16(s.Port)}, xtables.Jump)
	jump.Jump = xtShut + s.door()
	return t.Insert("INPUT", 1, jump)
}
