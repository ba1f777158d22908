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
	b.WriteString("COMMIT\n*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n")
	for range g.IntN(3) * g.IntN(2) {
		fmt.Fprintf(&b, "-A PREROUTING %s %s\n", g.xtConditions(v6), g.xtMark())
	}
	if g.IntN(5) == 0 {
		fmt.Fprintf(&b, "-A INPUT %s %s\n", g.xtConditions(v6), g.pick("-j DROP", "-j ACCEPT", g.xtMark()))
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
	add(8, g.xtMarked())
	add(20, "-m limit --limit 10000/sec --limit-burst 1000")
	if v6 {
		add(10, "-m iprange --src-range fd77::2-fd77::7")
	} else {
		add(10, "-m iprange "+g.maybe(3, "! ")+"--src-range 10.77.0.3-10.77.0.200")
	}
	return strings.Join(strings.Fields(strings.Join(c, " ")), " ")
}

func (g gen) xtTarget(more []string) string {
	return g.pick(append(more, g.xtMark(), "-j ACCEPT", "-j ACCEPT", "-j DROP", "-j REJECT", "-j RETURN", "-j LOG", "")...)
}

// xtMark and xtMarked give packets a mark and ask for it.
func (g gen) xtMark() string {
	return "-j MARK " + g.pick("--set-mark 1", "--set-xmark 0x3/0x3", "--set-xmark 0x2/0x1", "--or-mark 0x2", "--and-mark 0xfffffffe", "--xor-mark 0x3", "--set-mark 0x10/0xf0")
}

func (g gen) xtMarked() string {
	return "-m mark " + g.maybe(3, "! ") + "--mark " + g.pick("0x1", "0x1/0x1", "0x2/0x3", "0x0/0x1", "0x0", "0x2/0x2", "0x10/0xf0", "0x3/0x1")
}

// nftMark and nftMarked are the same for nft.
func (g gen) nftMark() string {
	return "meta mark set " + g.pick("0x1", "meta mark | 0x2", "meta mark & 0xfffffffe", "meta mark ^ 0x3", "meta mark & 0xffffff0f | 0x10", "0x3", "ct mark")
}

func (g gen) nftMarked() string {
	return "meta mark " + g.pick("0x1", "!= 0x1", "& 0x3 == 0x2", "& 0x1 != 0x1", "{ 0x1, 0x2 }", "& 0x2 == 0x2", "& 0x3 != 0x3", "& 0xf0 == 0x10", "!= { 0x1, 0x3 }")
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
		v := g.pick(append(targets, "accept", "accept", "drop", "reject", "return", "counter", g.nftMark(), g.nftMark(), g.nftMark()+" accept", `log prefix "x "`)...)
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
		add(3, g.pick("meta l4proto { tcp, udp } th dport 80", "meta l4proto != udp", "udp dport 53", "limit rate 10000/second burst 1000 packets"))
	}
	add(5, "ct state "+g.pick("new", "established,related", "!= new", "invalid", "{ new, untracked }", "new,untracked"))
	add(15, g.pick("fib daddr type local", "fib daddr type != local", "fib daddr type broadcast"))
	add(8, g.nftMarked())
	add(25, g.nftMark()) // not at the end: the rest of the rule is another one
	if last := c[len(c)-1]; last != "" {
		add(2, g.pick("tcp dport "+g.port(), g.nftMarked(), "ct state new"))
	}
	add(15, "meta pkttype "+g.pick("host", "broadcast"))
	return strings.Join(strings.Fields(strings.Join(c, " ")), " ")
}

// iptablesForward are rules as Docker and those around it write them: a
// published port, a redirect, and filters on the way to the container.
func (g gen) iptablesForward(v6 bool) string {
	host, inside, at := "10.77.0.1", "203.0.113.2", "203.0.113.2"
	if v6 {
		host, inside, at = "fd77::1", "2001:db8:c::2", "[2001:db8:c::2]"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n")
	if g.IntN(4) > 0 {
		fmt.Fprintf(&b, "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n")
	}
	for range 1 + g.IntN(4) {
		p := g.pick("tcp", "tcp", "udp")
		c := fmt.Sprintf("-p %s -m %s --dport %s", p, p, g.forwardPort()) // DNAT to a port needs the protocol
		add := func(n int, s string) { c += g.maybe(n, " "+s) }
		add(4, g.maybe(3, "! ")+"-s "+g.source(v6))
		add(4, g.pick("! -i br-t", "-i dv0", "-i br-t"))
		add(6, g.maybe(2, "! ")+"-d "+host)
		add(8, g.xtMarked())
		to := g.pick("DNAT --to-destination "+at+":"+g.forwardPort(), "DNAT --to-destination "+at+":"+g.forwardPort(), "DNAT --to-destination "+inside,
			"REDIRECT --to-ports "+g.forwardPort(), "RETURN", "ACCEPT")
		fmt.Fprintf(&b, "-A %s %s -j %s\n", g.pick("PREROUTING", "DOCKER", "DOCKER"), c, to)
	}
	fmt.Fprintf(&b, "COMMIT\n*filter\n:INPUT %s [0:0]\n:FORWARD %s [0:0]\n:DOCKER-USER - [0:0]\n:U1 - [0:0]\n", g.pick("ACCEPT", "DROP"), g.pick("ACCEPT", "DROP"))
	fmt.Fprintf(&b, "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n")
	if g.IntN(2) == 0 {
		b.WriteString("-A FORWARD -j DOCKER-USER\n")
	}
	for _, c := range []struct {
		name    string
		targets []string
	}{{"DOCKER-USER", nil}, {"U1", nil}, {"INPUT", nil}, {"FORWARD", []string{"-j U1", "-j DOCKER-USER", "-g U1"}}} {
		for range g.IntN(5) {
			fmt.Fprintf(&b, "-A %s %s %s\n", c.name, g.forwardConditions(v6, c.name == "INPUT", inside), g.pick(append(c.targets, "-j ACCEPT", "-j ACCEPT", "-j DROP", "-j REJECT", "-j RETURN", "-j LOG", g.xtMark())...))
		}
	}
	b.WriteString("COMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\n")
	switch g.IntN(10) {
	case 0:
		fmt.Fprintf(&b, "-A PREROUTING %s -p tcp -m tcp --dport %s -j DROP\n", g.maybe(2, "-d "+inside), g.forwardPort())
	case 1: // not of what passes through, whose answers would be invalid and perhaps stopped
		fmt.Fprintf(&b, "-A PREROUTING -d %s -p tcp -m tcp --dport %s -j CT --notrack\n", host, g.forwardPort())
	}
	b.WriteString("COMMIT\n*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n")
	for range g.IntN(2) {
		fmt.Fprintf(&b, "-A PREROUTING %s-p tcp -m tcp --dport %s %s\n", g.maybe(2, "-s "+g.source(v6)+" "), g.forwardPort(), g.xtMark())
	}
	if g.IntN(6) == 0 {
		fmt.Fprintf(&b, "-A FORWARD %s -j DROP\n", g.forwardConditions(v6, false, inside))
	}
	if g.IntN(8) == 0 {
		fmt.Fprintf(&b, "-A POSTROUTING -o br-t -p tcp -m tcp --dport %s -j DROP\n", g.forwardPort())
	}
	b.WriteString("COMMIT\n")
	return b.String()
}

func (g gen) forwardPort() string { return g.pick("80", "6379", "8080", "9000") }

func (g gen) forwardConditions(v6, input bool, inside string) string {
	var c []string
	add := func(n int, s string) { c = append(c, g.maybe(n, s)) }
	add(3, g.maybe(4, "! ")+"-s "+g.source(v6))
	add(5, g.pick("-i dv0", "! -i dv0", "-i br-t", "! -i br-t", "-i dv+"))
	if !input {
		add(3, g.pick("-o br-t", "-o br-t", "! -o br-t", "-o dv0", "-o br+"))
	}
	add(4, g.maybe(4, "! ")+"-d "+inside)
	if g.IntN(3) > 0 {
		p := g.pick("tcp", "tcp", "udp")
		c = append(c, "-p "+p, g.pick("-m "+p+" --dport "+g.forwardPort(), "-m "+p+" ! --dport "+g.forwardPort(), "-m multiport --dports 80,6000:7000", ""))
	}
	switch g.IntN(8) {
	case 0:
		c = append(c, "-m conntrack "+g.pick("--ctstate NEW", "! --ctstate NEW", "--ctstate RELATED,ESTABLISHED", "--ctstate INVALID"))
	case 1:
		c = append(c, "-m conntrack "+g.pick("--ctstate DNAT", "! --ctstate DNAT", "--ctorigdstport "+g.forwardPort()+" --ctdir ORIGINAL"))
	}
	add(12, "-m addrtype "+g.maybe(2, "! ")+"--dst-type "+g.pick("LOCAL", "UNICAST"))
	add(10, g.xtMarked())
	return strings.Join(strings.Fields(strings.Join(c, " ")), " ")
}

// nftForward is the same in nft's own words, in one table or two.
func (g gen) nftForward() string {
	var b strings.Builder
	for _, f := range strings.Fields(g.pick("ip ip6", "inet", "ip inet")) {
		fmt.Fprintf(&b, "table %s t {\n set ports { type inet_service; flags interval; elements = { 80, 6000-7000 } }\n", f)
		fmt.Fprintf(&b, " chain pub {\n  type nat hook prerouting priority %s; policy accept;\n", g.pick("dstnat", "dstnat", "-150"))
		for range 1 + g.IntN(4) {
			fmt.Fprintf(&b, "  %s\n", g.nftNat(f))
		}
		b.WriteString(" }\n chain u1 {\n")
		for range g.IntN(4) {
			fmt.Fprintf(&b, "  %s %s\n", g.nftOnTheWay(f, ""), g.pick("accept", "drop", "return"))
		}
		b.WriteString(" }\n")
		for i, hook := range []string{"forward", "input", g.pick("forward", "postrouting", "prerouting")} {
			fmt.Fprintf(&b, " chain c%d {\n  type filter hook %s priority %s; policy %s;\n  ct state established,related accept\n", i, hook, g.pick("filter", "-10", "10"), g.pick("accept", "accept", "drop"))
			for range g.IntN(5) {
				fmt.Fprintf(&b, "  %s %s\n", g.nftOnTheWay(f, hook), g.pick("accept", "accept", "drop", "return", "jump u1", "counter", g.nftMark()))
			}
			b.WriteString(" }\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func (g gen) nftNat(family string) string {
	v6 := family == "ip6" || family == "inet" && g.IntN(2) == 0
	l3, at := "ip", "203.0.113.2"
	if v6 {
		l3, at = "ip6", "[2001:db8:c::2]"
	}
	c := g.maybe(4, g.pick(`iifname "dv0" `, `iifname != "br-t" `, `iif "dv0" `)) + g.maybe(4, l3+" saddr "+g.source(v6)+" ") + g.maybe(4, "fib daddr type local ") +
		g.pick("tcp", "tcp", "udp") + " dport " + g.pick(g.forwardPort(), "{ "+g.forwardPort()+", 4444 }", "@ports")
	return c + " " + g.pick("dnat "+l3+" to "+at+":"+g.forwardPort(), "dnat "+l3+" to "+at+":"+g.forwardPort(), "dnat "+l3+" to "+strings.Trim(at, "[]"), "redirect to :"+g.forwardPort(), "accept", "return")
}

func (g gen) nftOnTheWay(family, hook string) string {
	var c []string
	add := func(n int, s string) { c = append(c, g.maybe(n, s)) }
	v6 := family == "ip6" || family == "inet" && g.IntN(2) == 0
	l3, inside := "ip", "203.0.113.2"
	if v6 {
		l3, inside = "ip6", "2001:db8:c::2"
	}
	add(3, l3+" saddr "+g.maybe(3, "!= ")+g.source(v6))
	add(4, l3+" daddr "+g.maybe(4, "!= ")+inside)
	if hook != "postrouting" {
		add(6, g.pick(`iifname "dv0"`, `iifname "dv*"`, `iifname { "dv0", "br-t" }`, `iif != "dv0"`))
	}
	if hook == "forward" || hook == "postrouting" {
		add(3, g.pick(`oifname "br-t"`, `oif "br-t"`, `oifname != "br-t"`, `oifname { "br-t", "lo" }`))
	}
	add(2, g.pick("tcp", "tcp", "udp", "th")+" dport "+g.pick(g.forwardPort(), "!= "+g.forwardPort(), "@ports", "{ 80, 9000 }"))
	if strings.Contains(c[len(c)-1], "th ") {
		c[len(c)-1] = "meta l4proto { tcp, udp } " + c[len(c)-1]
	}
	add(6, "ct state "+g.pick("new", "!= new", "invalid"))
	if hook == "forward" || hook == "input" {
		add(8, "ct status "+g.pick("dnat", "& dnat == 0"))
	}
	add(10, g.nftMarked())
	return strings.Join(strings.Fields(strings.Join(c, " ")), " ")
}
