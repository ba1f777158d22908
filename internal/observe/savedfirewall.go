package observe

import (
	"context"

	"demine/internal/fact"
	"demine/internal/format/iptablessave"
	"demine/internal/format/nftconf"
)

var savedfirewall = &Observer{
	Name: "savedfirewall",
	Doc:  "the packet filter as it is after the next boot: files of iptables, nftables, ufw and firewalld",
	Sees: []string{fact.KindFirewall},
	Reads: []string{
		"/etc/iptables/rules.v4", "/etc/iptables/rules.v6", "/etc/iptables/rules-save", "/etc/iptables/rules6-save",
		"/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables", "/etc/nftables.conf", "/etc/sysconfig/nftables.conf",
		"/etc/nftables.nft", "/etc/ufw/user.rules", "/etc/ufw/user6.rules", "/etc/firewalld/zones", "/etc/firewalld/zones/*",
	},
	See: seeSavedFirewall,
}

// savedTables are the files that hold the format of iptables-save.
var savedTables = []struct {
	path   fact.Path
	family string
}{
	{"/etc/iptables/rules.v4", "ip"}, {"/etc/iptables/rules.v6", "ip6"}, // Debian
	{"/etc/iptables/rules-save", "ip"}, {"/etc/iptables/rules6-save", "ip6"}, // Alpine
	{"/etc/sysconfig/iptables", "ip"}, {"/etc/sysconfig/ip6tables", "ip6"}, // Red Hat
}

const maxRules = 4 << 20

func seeSavedFirewall(_ context.Context, v *View, _ *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	for _, f := range savedTables {
		if b, _, ok := p.read(v, f.path, maxRules); ok {
			p.saved(iptablessave.Parse(b, f.family, f.path), f.path, "iptables")
		}
	}
	for _, f := range []fact.Path{"/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables.nft"} {
		if b, _, ok := p.read(v, f, maxRules); ok {
			p.saved(nftconf.Parse(b, f), f, "nft")
		}
	}
	p.Absent = len(p.Firewall) == 0
	return p, nil
}

// saved adds the tables of one file.
func (p *Part) saved(rs []fact.Ruleset, f fact.Path, backend string) {
	for _, r := range rs {
		if r.Backend == "" {
			r.Backend = backend
		}
		r.Persisted = f
		r.Ref = fact.RulesetRef(r.Backend, r.Family, r.Table, f)
		p.Firewall = append(p.Firewall, r)
	}
}
