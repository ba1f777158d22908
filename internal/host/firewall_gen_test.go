package host

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// gen makes random rulesets of what people write.
type gen struct{ *rand.Rand }

func (g gen) pick(s ...string) string { return s[g.IntN(len(s))] }

// maybe is s one time in n.
func (g gen) maybe(n int, s string) string {
	if g.IntN(n) == 0 {
		return s
	}
	return ""
}

func (g gen) iptables(v6 bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*filter\n:INPUT %s [0:0]\n:U1 - [0:0]\n:U2 - [0:0]\n", g.pick("ACCEPT", "DROP", "DROP"))
	untracked := ""
	if g.IntN(4) == 0 { // goto and untracked matter only together with other rules
		b.WriteString("-A INPUT -j U1\n-A U1 -g U2\n")
	} else if g.IntN(3) == 0 {
		untracked = g.port()
		fmt.Fprintf(&b, "-A INPUT -p tcp -m tcp --dport %s -m conntrack %s -j %s\n", untracked, g.pick("--ctstate UNTRACKED", "--ctstate NEW", "! --ctstate NEW"), g.pick("ACCEPT", "DROP"))
	}
	for _, c := range []struct {
		name    string
		targets []string
	}{{"U2", nil}, {"U1", []string{"-j U2", "-g U2"}}, {"INPUT", []string{"-j U1", "-j U2", "-g U1"}}} {
		for range g.IntN(6) {
			fmt.Fprintf(&b, "-A %s %s %s\n", c.name, g.xtConditions(v6), g.xtTarget(c.targets))
		}
	}
	b.WriteString("COMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\n")
	if untracked != "" {
		fmt.Fprintf(&b, "-A PREROUTING -p tcp -m tcp --dport %s -j CT --notrack\n", untracked)
	} else if g.IntN(5) == 0 {
		fmt.Fprintf(&b, "-A PREROUTING -p tcp -m tcp --dport %s -j DROP\n", g.port())
	}
	b.WriteString("COMMIT\n*mangle\n:INPUT ACCEPT [0:0]\n")
	if g.IntN(5) == 0 {
		fmt.Fprintf(&b, "-A INPUT %s -j %s\n", g.xtConditions(v6), g.pick("DROP", "ACCEPT", "MARK --set-mark 1"))
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

func (g gen) port() string { return g.pick("22", "80", "6380", "9000") }

func (g gen) source(v6 bool) string {
	if v6 {
		return g.pick("fd77::2/128", "fd77::3/128", "fd77::/64", "2001:db8::/32", "2000::/3", "fc00::/7")
	}
	return g.pick("10.77.0.2/32", "10.77.0.3/32", "10.77.0.0/24", "192.168.0.0/16", "0.0.0.0/1", "128.0.0.0/1")
}

func (g gen) xtConditions(v6 bool) string {
	var c []string
	add := func(n int, s string) { c = append(c, g.maybe(n, s)) }
	not := g.maybe(4, "! ")
	add(2, not+"-s "+g.source(v6))
	if v6 {
		add(12, "-d fd77::1/128")
	} else {
		add(12, g.pick("", "! ")+"-d 10.77.0.1/32")
	}
	add(6, g.pick("-i lo", "! -i lo", "-i dv0", "-i dv+", "! -i dv0"))
	if g.IntN(3) > 0 {
		c = append(c, "-p tcp", g.pick("-m tcp --dport "+g.port(), "-m tcp --dport "+g.port(), "-m tcp ! --dport "+g.port(), "-m tcp --dport 1:1023",
			"-m multiport --dports 22,80,6000:7000", "-m multiport ! --dports 22,9000", "-m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
			"-m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", "-m tcp --tcp-flags FIN,SYN FIN,SYN"))
	} else {
		add(8, "-p udp -m udp --dport 53")
	}
	add(5, "-m conntrack "+g.pick("--ctstate NEW", "--ctstate RELATED,ESTABLISHED", "! --ctstate NEW", "--ctstate INVALID", "--ctstate UNTRACKED"))
	add(20, "-m state --state "+g.pick("NEW", "RELATED,ESTABLISHED"))
	add(9, g.pick("-m addrtype --dst-type LOCAL", "-m addrtype ! --dst-type LOCAL", "-m addrtype --dst-type MULTICAST"))
	add(9, "-m comment --comment "+g.pick("web", `"two words"`, `"a \"quoted\" one"`))
	add(12, "-m pkttype --pkt-type "+g.pick("broadcast", "unicast"))
	add(20, "-m mark --mark 0x1")
	add(20, "-m limit --limit 10000/sec --limit-burst 1000")
	if v6 {
		add(10, "-m iprange --src-range fd77::2-fd77::7")
	} else {
		add(10, "-m iprange "+g.maybe(3, "! ")+"--src-range 10.77.0.3-10.77.0.200")
	}
	return strings.Join(strings.Fields(strings.Join(c, " ")), " ")
}

func (g gen) xtTarget(more []string) string {
	return g.pick(append(more, "-j ACCEPT", "-j ACCEPT", "-j DROP", "-j REJECT", "-j RETURN", "-j LOG", "")...)
}

func (g gen) nft() string {
	var b strings.Builder
	families := g.pick("inet", "ip", "ip6", "inet ip", "inet ip6")
	for i, f := range strings.Fields(families) {
		fmt.Fprintf(&b, "table %s t%d {\n", f, i)
		b.WriteString(" set ports { type inet_service; flags interval; elements = { 22, 6000-7000 } }\n set none { type inet_service; }\n")
		if f != "ip6" {
			b.WriteString(" set some4 { type ipv4_addr; flags interval; elements = { 10.77.0.2/31, 192.168.0.0/16 } }\n")
		}
		if f != "ip" {
			b.WriteString(" set some6 { type ipv6_addr; flags interval; elements = { fd77::3, 2001:db8::/32 } }\n")
		}
		b.WriteString(" map go { type inet_service : verdict; elements = { 80 : jump u2, 9000 : " + g.pick("accept", "drop") + " } }\n")
		g.nftChain(&b, f, "u2", "", nil)
		g.nftChain(&b, f, "u1", "", []string{"jump u2", "goto u2"})
		for j := range 1 + g.IntN(2) {
			head := fmt.Sprintf("type filter hook %s priority %s; policy %s;", g.pick("input", "input", "input", "prerouting"), g.pick("filter", "-10", "10", "raw"), g.pick("accept", "drop", "accept"))
			g.nftChain(&b, f, fmt.Sprintf("in%d", j), head, []string{"jump u1", "jump u2", "goto u1"})
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func (g gen) nftChain(b *strings.Builder, family, name, head string, targets []string) {
	fmt.Fprintf(b, " chain %s {\n", name)
	if head != "" {
		fmt.Fprintf(b, "  %s\n", head)
	}
	for range g.IntN(6) {
		c := g.nftConditions(family)
		v := g.pick(append(targets, "accept", "accept", "drop", "reject", "return", "counter", `log prefix "x "`)...)
		switch {
		case g.IntN(7) == 0:
			c, v = "", g.pick("tcp dport vmap @go", "tcp dport vmap { 22 : accept, 6000-7000 : drop }", "ct state vmap { established : accept, related : accept, invalid : drop }",
				"meta l4proto vmap { tcp : jump u2, udp : accept }", `iifname vmap { "lo" : accept, "dv0" : jump u2 }`)
			if name == "u2" {
				v = "ct state vmap { established : accept, related : accept }"
			}
		case name != "u2" && v == "reject" && strings.Contains(head, "prerouting"):
			v = "drop"
		case v == "reject":
			v = "drop" // reject is for input chains only, which a user chain may not have
		}
		fmt.Fprintf(b, "  %s %s\n", c, v)
	}
	b.WriteString(" }\n")
}

func (g gen) nftConditions(family string) string {
	var c []string
	add := func(n int, s string) { c = append(c, g.maybe(n, s)) }
	if family != "ip6" && g.IntN(2) == 0 {
		add(2, "ip saddr "+g.pick("10.77.0.2", "!= 10.77.0.3", "10.77.0.0/24", "@some4", "!= @some4", "{ 10.77.0.3, 192.168.0.0/16 }", "10.77.0.3-10.77.0.200", "0.0.0.0/1", "128.0.0.0/1"))
		add(12, "ip daddr "+g.pick("10.77.0.1", "!= 10.77.0.1"))
	} else if family != "ip" {
		add(2, "ip6 saddr "+g.pick("fd77::2", "!= fd77::3", "fd77::/64", "@some6", "!= @some6", "{ fd77::3, 2001:db8::/32 }", "2000::/3", "fc00::/7"))
	}
	add(8, g.pick("iif lo", `iifname "lo"`, `iifname != "lo"`, `iifname "dv*"`, `iifname { "lo", "dv0" }`, "iif != lo"))
	add(12, g.pick("meta nfproto ipv4", "meta nfproto ipv6", "meta l4proto tcp"))
	if family != "inet" && strings.Contains(strings.Join(c, " "), "nfproto") {
		c = nil
	}
	if g.IntN(3) > 0 {
		c = append(c, "tcp "+g.pick("dport "+g.port(), "dport "+g.port(), "dport != "+g.port(), "dport 1-1023", "dport { 22, 80, 6000-7000 }", "dport != { 22, 9000 }", "dport @ports", "dport != @ports", "dport @none",
			"dport > 1024", "dport <= 80", "flags & (fin|syn|rst|ack) == syn", "flags & (fin|syn) == (fin|syn)", "sport 1024-65535"))
	} else if !strings.Contains(strings.Join(c, " "), "l4proto") {
		add(3, g.pick("meta l4proto { tcp, udp } th dport 80", "meta l4proto != udp", "udp dport 53", "meta mark 0x1", "limit rate 10000/second burst 1000 packets"))
	}
	add(5, "ct state "+g.pick("new", "established,related", "!= new", "invalid", "{ new, untracked }", "new,untracked"))
	add(15, g.pick("fib daddr type local", "fib daddr type != local", "fib daddr type broadcast"))
	add(15, "meta pkttype "+g.pick("host", "broadcast"))
	return strings.Join(strings.Fields(strings.Join(c, " ")), " ")
}
