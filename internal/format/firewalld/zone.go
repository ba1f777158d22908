package firewalld

import (
	"fmt"
	"net/netip"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// zone is a zone as far as it is read.
type zone struct {
	file       fact.Path
	service    func(string) []Port
	chain      fact.Chain
	sources    []netip.Prefix
	strange    bool // a source that is a hardware address or an ipset
	interfaces []string
	rich       *rich
}

// rich is a rich rule that is not closed yet.
type rich struct {
	rule   fact.Rule
	ports  []Port
	words  []string
	action string
}

func (z *zone) start(e element) {
	if z.rich != nil {
		z.richPart(e)
		return
	}
	switch e.name {
	case "zone":
		if e.at["target"] == "ACCEPT" {
			z.chain.Policy = "accept"
		}
	case "interface":
		z.interfaces = append(z.interfaces, e.at["name"])
	case "source":
		p, ok := source(e.at["address"])
		z.sources, z.strange = append(z.sources, p...), z.strange || !ok
	case "port", "protocol":
		z.open(e)
	case "source-port":
		z.sourcePort(e)
	case "service":
		z.openService(e)
	case "forward-port":
		z.forward(e)
	case "rule":
		z.begin(e)
	}
}

// rule is a new rule with its origin.
func (z *zone) rule(line int, text string) fact.Rule {
	return fact.Rule{Verdict: "accept", Text: text, Origin: fact.Origin{Path: z.file, Line: line}}
}

func (z *zone) add(r fact.Rule) {
	r.N = len(z.chain.Rules) + 1
	z.chain.Rules = append(z.chain.Rules, r)
}

func narrow(r *fact.Rule, p Port) {
	if p.Proto != "" {
		xtables.NarrowProto(r, p.Proto, false)
	}
	if p.Ports != (fact.PortRange{From: 0, To: 65535}) {
		xtables.NarrowDPort(r, []fact.PortRange{p.Ports}, false)
	}
}

func (z *zone) open(e element) {
	if e.name == "protocol" {
		e.at["protocol"], e.at["port"] = e.at["value"], ""
	}
	p, ok := e.port()
	r := z.rule(e.line, strings.TrimSpace("port "+strings.Trim(e.at["port"]+"/"+e.at["protocol"], "/")))
	if ok {
		narrow(&r, p)
	} else {
		xtables.Doubt(&r, "port")
	}
	z.add(r)
}

func (z *zone) sourcePort(e element) {
	r := z.rule(e.line, "source-port "+e.at["port"]+"/"+e.at["protocol"])
	p, ok := e.port()
	if ok {
		narrow(&r, Port{p.Proto, fact.PortRange{From: 0, To: 65535}})
		xtables.NarrowSPort(&r, []fact.PortRange{p.Ports}, false)
	} else {
		xtables.Doubt(&r, "source-port")
	}
	z.add(r)
}

func (z *zone) openService(e element) {
	text := "service " + e.at["name"]
	ports, ok := z.ports(e.at["name"])
	if !ok {
		r := z.rule(e.line, text)
		xtables.Doubt(&r, text)
		z.add(r)
	}
	for _, p := range ports {
		r := z.rule(e.line, text)
		narrow(&r, p)
		z.add(r)
	}
}

func (z *zone) forward(e element) {
	r := z.rule(e.line, fmt.Sprintf("forward-port %s/%s to %s:%s", e.at["port"], e.at["protocol"], e.at["to-addr"], e.at["to-port"]))
	r.Verdict, r.Target = "dnat", "forward-port"
	if p, ok := e.port(); ok {
		narrow(&r, p)
	} else {
		xtables.Doubt(&r, "port")
	}
	z.add(r)
}

func (z *zone) begin(e element) {
	r := z.rule(e.line, "")
	z.rich = &rich{rule: r, action: "", words: []string{"rule"}}
	switch f := e.at["family"]; f {
	case "ipv4", "ipv6":
		z.rich.words = append(z.rich.words, "family="+f)
		if f == "ipv6" {
			xtables.NarrowSrc(&z.rich.rule, []netip.Prefix{netip.PrefixFrom(netip.IPv6Unspecified(), 0)}, false)
		} else {
			xtables.NarrowSrc(&z.rich.rule, []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0)}, false)
		}
	}
}

// richPart is an element inside of a rich rule.
func (z *zone) richPart(e element) {
	r := z.rich
	r.words = append(r.words, strings.TrimSpace(e.name+" "+firstOf(e.at, "address", "name", "port", "value", "ipset", "mac")))
	switch e.name {
	case "source", "destination":
		z.richAddress(e)
	case "port", "protocol":
		if e.name == "protocol" {
			e.at["protocol"], e.at["port"] = e.at["value"], ""
		}
		p, ok := e.port()
		r.ports = append(r.ports, p)
		if !ok {
			xtables.Doubt(&r.rule, "port")
		}
	case "service":
		p, ok := z.ports(e.at["name"])
		r.ports = append(r.ports, p...)
		if !ok {
			xtables.Doubt(&r.rule, "service "+e.at["name"])
		}
	case "accept", "drop", "reject":
		r.action = e.name
	case "log", "nflog", "audit":
	case "limit":
		if r.action != "" { // of the action, not of the log
			xtables.Doubt(&r.rule, "limit")
		}
	default:
		xtables.Doubt(&r.rule, "rich "+e.name)
	}
}

func (z *zone) richAddress(e element) {
	r := &z.rich.rule
	p, ok := source(e.at["address"])
	not := e.at["invert"] == "true" || e.at["invert"] == "yes" || e.at["invert"] == "True"
	switch {
	case !ok:
		xtables.Doubt(r, "rich "+e.name)
	case e.name == "source" && not && len(r.Src) > 0: // the family, which a prefix says as well
		r.Src, r.NotSrc = p, true
	case e.name == "source":
		xtables.NarrowSrc(r, p, not)
	default:
		xtables.NarrowDst(r, p, not)
	}
}

func firstOf(at map[string]string, names ...string) string {
	for _, n := range names {
		if at[n] != "" {
			return n + "=" + at[n]
		}
	}
	return ""
}

func (z *zone) end(name string) {
	if name != "rule" || z.rich == nil {
		return
	}
	r := z.rich
	z.rich = nil
	r.rule.Text = strings.Join(r.words, " ")
	r.rule.Verdict = r.action
	if r.action == "" {
		r.rule.Verdict = "continue"
	}
	if len(r.ports) == 0 {
		xtables.Settle(&r.rule)
		z.add(r.rule)
	}
	for _, p := range r.ports {
		one := r.rule
		narrow(&one, p)
		xtables.Settle(&one)
		z.add(one)
	}
}
