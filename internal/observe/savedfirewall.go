package observe

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/firewalld"
	"demine/internal/format/iptablessave"
	"demine/internal/format/nftconf"
	"demine/internal/format/ufw"
	"demine/internal/host"
)

var savedfirewall = &Observer{
	Name: "savedfirewall",
	Doc:  "the packet filter as it is after the next boot: files of iptables, nftables, ufw and firewalld",
	Sees: []string{fact.KindFirewall},
	Reads: []string{
		"/etc/iptables/rules.v4", "/etc/iptables/rules.v6", "/etc/iptables/rules-save", "/etc/iptables/rules6-save",
		"/etc/sysconfig/iptables", "/etc/sysconfig/ip6tables", "/etc/nftables.conf", "/etc/sysconfig/nftables.conf",
		"/etc/nftables.nft", "/etc/ufw/user.rules", "/etc/ufw/user6.rules", "/etc/firewalld/zones", "/etc/firewalld/zones/*",
		"/etc/firewalld/services/*", "/usr/lib/firewalld/services/*",
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
		if b, info, ok := p.read(v, f.path, maxRules); ok {
			p.saved(info, iptablessave.Parse(b, f.family, f.path)...)
		}
	}
	for _, f := range []fact.Path{"/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables.nft"} {
		if b, info, ok := p.read(v, f, maxRules); ok {
			sets := nftconf.Parse(b, f)
			for i := range sets {
				sets[i].Partial = len(nftconf.Includes(b)) > 0
			}
			p.saved(info, sets...)
		}
	}
	for f, family := range map[fact.Path]string{"/etc/ufw/user.rules": "ip", "/etc/ufw/user6.rules": "ip6"} {
		if b, info, ok := p.read(v, f, maxRules); ok {
			p.saved(info, ufw.Parse(b, family, f)...)
		}
	}
	for _, f := range p.list(v, "/etc/firewalld/zones") {
		if strings.HasSuffix(string(f), ".xml") {
			p.zone(v, f)
		}
	}
	slices.SortStableFunc(p.Firewall, func(a, b fact.Ruleset) int { return cmp.Compare(a.Ref, b.Ref) })
	p.Absent = len(p.Firewall) == 0
	return p, nil
}

// saved adds the tables of one file. What its rules had counted when it was written
// says nothing of now.
func (p *Part) saved(file host.Info, sets ...fact.Ruleset) {
	for i := range sets {
		sets[i].Changed = file.Changed
		for _, c := range sets[i].Chains {
			for j := range c.Rules {
				r := &c.Rules[j]
				r.Counter, r.Packets, r.Bytes = false, 0, 0
			}
		}
	}
	p.Firewall = append(p.Firewall, sets...)
}

// zone adds a zone of firewalld. Ports of a service may be defined on the host.
func (p *Part) zone(v *View, f fact.Path) {
	b, info, ok := p.read(v, f, maxRules)
	if !ok {
		return
	}
	r, err := firewalld.Parse(b, f, func(name string) []firewalld.Port { return p.service(v, name, 0) })
	p.gap(f, err)
	p.saved(info, r)
}

// maxInclude bounds how deep services take in others; firewalld's own do once.
const maxInclude = 4

// service gives the ports of a service of firewalld, with those of the services
// that it takes in.
func (p *Part) service(v *View, name string, depth int) []firewalld.Port {
	for _, dir := range []fact.Path{"/etc/firewalld/services", "/usr/lib/firewalld/services"} {
		if strings.ContainsAny(name, "/*?[") || depth > maxInclude {
			return nil
		}
		b, _, ok := p.read(v, host.Join(dir, name+".xml"), maxConfig)
		if !ok {
			continue
		}
		ports, err := firewalld.Service(b)
		p.gap(host.Join(dir, name+".xml"), err)
		for _, other := range firewalld.Includes(b) {
			ports = append(ports, p.service(v, other, depth+1)...)
		}
		return ports
	}
	return nil
}
