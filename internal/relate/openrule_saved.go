package relate

import (
	"cmp"
	"slices"
	"strings"

	"demine/internal/fact"
)

// keepers are the chains that software keeps by itself, by how they begin.
var keepers = []struct{ prefix, who string }{
	{"DOCKER-USER", ""}, {"DOCKER", "docker"}, {"KUBE-", "kubernetes"}, {"cali-", "calico"}, {"CILIUM_", "cilium"},
	{"OLD_CILIUM_", "cilium"}, {"CNI-", "cni"}, {"NETAVARK", "podman"}, {"FLANNEL", "flannel"}, {"WEAVE", "weave"},
	{"LIBVIRT_", "libvirt"}, {"f2b-", "fail2ban"},
	{"ts-", "tailscale"}, {"NETBIRD", "netbird"},
}

func keeper(chain string) string {
	for _, k := range keepers {
		if strings.HasPrefix(chain, k.prefix) {
			return k.who
		}
	}
	return ""
}

// kept says whether a rule is in the saved configuration. That it is not is only
// told where a file is known to be what its chain was loaded from: everything that
// the file lets in there is in force. Otherwise a script, an include or another
// program may put it there at each boot.
func (x *Index) kept(o *OpenRule, c *opener, l loaded) {
	o.Kept, o.Keeper = "unknown", keeper(c.chain)
	found := false
	for i := range x.S.Firewall {
		rs := &x.S.Firewall[i]
		if rs.Persisted == "" {
			continue
		}
		for j := range rs.Chains {
			f := &rs.Chains[j]
			if !loads(rs, f, c) {
				continue
			}
			for k := range f.Rules {
				if r := &f.Rules[k]; sameOpening(r, c.rule) {
					o.Kept, o.SavedAt = "saved", rs.Changed
					o.Saved = append(o.Saved, r.Origin)
				}
			}
			found = found || !rs.Partial && l.has(rs, f, c)
		}
	}
	if ok, _ := x.Covered("savedfirewall"); o.Kept != "saved" && found && ok && !x.scripted() {
		o.Kept = "runtime"
	}
}

// nowhere: no file that demine knows is loaded into the table of a rule, and no
// script changes the filter. What the tools of firewalld and ufw keep is theirs.
func (x *Index) nowhere(c *opener) bool {
	if ok, _ := x.Covered("savedfirewall"); !ok || x.scripted() || keeper(c.chain) != "" ||
		strings.HasPrefix(c.chain, "ufw") || strings.Contains(c.chain, "IN_") {
		return false
	}
	return !slices.ContainsFunc(x.S.Firewall, func(rs fact.Ruleset) bool {
		same := (rs.Backend == "nft") == (c.set.Backend == "nft") && rs.Family == c.set.Family && rs.Table == c.set.Table
		return rs.Persisted != "" && (same || rs.Partial)
	})
}

// loads reports whether a chain of a file becomes the chain of a rule in force.
func loads(rs *fact.Ruleset, f *fact.Chain, c *opener) bool {
	switch rs.Backend {
	case "firewalld": // IN_public_allow in iptables, filter_IN_public_allow in nftables
		return strings.HasSuffix(c.chain, "IN_"+rs.Table+"_allow")
	case "nft":
		return c.set.Backend == "nft" && c.set.Family == rs.Family && c.set.Table == rs.Table && c.chain == f.Name
	}
	return c.set.Backend != "nft" && c.set.Family == rs.Family && c.set.Table == rs.Table && c.chain == f.Name
}

// loaded keeps what isLoaded said: many rules stand in one chain.
type loaded map[[2]*fact.Chain]bool

func (l loaded) has(rs *fact.Ruleset, f *fact.Chain, c *opener) bool {
	for i := range c.set.Chains {
		live := &c.set.Chains[i]
		if live.Name != c.chain {
			continue
		}
		at := [2]*fact.Chain{f, live}
		if _, known := l[at]; !known {
			l[at] = isLoaded(rs, f, live)
		}
		return l[at]
	}
	return false
}

// isLoaded: all that a chain of a file accepts is accepted by the chain in force,
// and nothing of it is beyond understanding.
func isLoaded(rs *fact.Ruleset, f, live *fact.Chain) bool {
	some := rs.Backend == "ufw" || rs.Backend == "firewalld"
	for i := range f.Rules {
		r := &f.Rules[i]
		if r.Verdict != "accept" {
			continue
		}
		same := func(l fact.Rule) bool {
			return l.Verdict == r.Verdict && l.Proto == r.Proto && l.In == r.In && samePorts(l.DPort, r.DPort) && sameSources(r, &l)
		}
		if len(r.Unknown) > 0 || !slices.ContainsFunc(live.Rules, same) {
			return false
		}
		some = true
	}
	return some
}

// sameOpening: two rules let the same in. firewalld and ufw write no states.
func sameOpening(saved, live *fact.Rule) bool {
	return saved.Verdict == "accept" && saved.Proto == live.Proto &&
		samePorts(saved.DPort, live.DPort) && saved.NotDPort == live.NotDPort && sameSources(saved, live) && saved.In == live.In && slices.Equal(saved.Dst, live.Dst)
}

// sameSources: a zone of firewalld that is chosen by the sender has no sender in
// its rules in force.
func sameSources(saved, live *fact.Rule) bool {
	a, b := askedSources(saved), askedSources(live)
	zone := strings.HasSuffix(string(saved.Origin.Path), ".xml")
	return saved.NotSrc == live.NotSrc && (slices.Equal(a, b) || zone && len(b) == 0)
}

func samePorts(a, b []fact.PortRange) bool {
	if slices.Equal(a, b) {
		return true
	}
	return len(a)+len(b) > 2 && slices.Equal(merged(slices.Clone(a)), merged(slices.Clone(b)))
}

// merged are ranges of ports in order, those that touch as one.
func merged(in []fact.PortRange) (out []fact.PortRange) {
	slices.SortFunc(in, func(a, b fact.PortRange) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	for _, r := range in {
		if n := len(out); n > 0 && int(r.From) <= int(out[n-1].To)+1 {
			out[n-1].To = max(out[n-1].To, r.To)
			continue
		}
		out = append(out, r)
	}
	return out
}

// scripted: something that starts by itself may put rules into the filter that
// no file of rules has.
func (x *Index) scripted() bool {
	changes := func(s *fact.Shell) bool {
		return slices.ContainsFunc(s.Programs, func(p string) bool {
			name := p[strings.LastIndexByte(p, '/')+1:]
			return filterTools[name] != nil
		})
	}
	for i := range x.S.Autostart {
		a := &x.S.Autostart[i]
		if strings.HasPrefix(a.Name, "wg-quick") && a.Active { // its PostUp lines do so
			return true
		}
		if a.Package != "" || !a.Active {
			continue
		}
		if changes(&a.Shell) && !strings.Contains(a.Command, "nftables") {
			return true
		}
		for _, t := range a.Targets {
			if f := x.File(t); f != nil && f.Package == "" && changes(&f.Shell) {
				return true
			}
		}
	}
	return false
}
