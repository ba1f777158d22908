package relate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/iptablessave"
	"demine/internal/format/nftconf"
)

// maxTyped bounds the commands that are told of one rule, the newest.
const maxTyped = 8

// typedBy finds the commands that make a rule like this one, in what shell
// histories, sudo and auditd tell.
func (x *Index) typedBy(o *OpenRule, c *opener) {
	made := func(l *fact.LogEvent) bool {
		_, ok := c.typed(l.Text)
		return ok && told[l.Kind] != "" && !managed(l)
	}
	for _, m := range x.commands(made) {
		w, _ := c.typed(m.Text)
		t := Typed{Opening: m, Lasts: w.lasts}
		if w.timeout > 0 {
			t.Ends = m.Time.Add(w.timeout)
		}
		o.By = append(o.By, t)
	}
	o.By = o.By[max(0, len(o.By)-maxTyped):]
}

// manner is how a command makes a rule.
type manner struct {
	lasts   bool          // it writes the configuration of ufw or firewalld
	timeout time.Duration // firewalld takes it back then; 0: it does not
}

// typed says how a line makes the rule; false when it does not.
func (c *opener) typed(line string) (manner, bool) {
	if !c.mentioned(line) {
		return manner{}, false
	}
	for _, words := range commandsOf(line) {
		if w, ok := c.madeIn(words); ok {
			return w, true
		}
	}
	return manner{}, false
}

// mentioned: without the number of its port, or a source where it has none, a
// line is not worth reading.
func (c *opener) mentioned(line string) bool {
	if len(c.rule.DPort) > 0 {
		return mentions(line, fmt.Sprint(c.rule.DPort[0].From))
	}
	src := askedSources(c.rule)
	return len(src) == 0 || strings.Contains(line, src[0].Addr().String())
}

// managed: configuration management ran it.
func managed(l *fact.LogEvent) bool {
	return strings.Contains(l.Text, "AnsiballZ_") || strings.Contains(l.Text, "BECOME-SUCCESS-")
}

// commandsOf are the simple commands of a line, as words.
func commandsOf(line string) (out [][]string) {
	var words []string
	var word strings.Builder
	quote, in := rune(0), false
	end := func() {
		if in {
			words = append(words, word.String())
		}
		word.Reset()
		in = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == '\\':
		case r == ' ' || r == '\t' || r == '\n':
			end()
		case r == ';' || r == '&' || r == '|':
			end()
			out, words = append(out, words), nil
		default:
			word.WriteRune(r)
			in = true
		}
	}
	end()
	return append(out, words)
}

// madeIn reports whether a command makes a rule like this one.
func (c *opener) madeIn(words []string) (w manner, ok bool) {
	for i, word := range words {
		args := words[i+1:]
		switch name := word[strings.LastIndexByte(word, '/')+1:]; name {
		case "iptables", "iptables-nft", "iptables-legacy":
			return w, c.set.Backend != "nft" && c.set.Family == "ip" && c.madeBy(tableCommand(args, "ip"))
		case "ip6tables", "ip6tables-nft", "ip6tables-legacy":
			return w, c.set.Backend != "nft" && c.set.Family == "ip6" && c.madeBy(tableCommand(args, "ip6"))
		case "nft":
			return w, c.madeBy(nftconf.Parse([]byte(strings.Join(args, " ")), ""))
		case "ufw":
			return manner{lasts: true}, strings.HasPrefix(c.chain, "ufw") && c.saidBy(args, "allow", "limit")
		case "firewall-cmd":
			w = manner{slices.Contains(args, "--permanent"), timeout(args)}
			return w, strings.Contains(c.chain, "IN_") && c.saidBy(args, "--add-port", "--add-rich-rule")
		}
	}
	return w, false
}

// tableCommand reads the words of iptables -A or -I as the line of
// iptables-save that it makes.
func tableCommand(words []string, family string) []fact.Ruleset {
	table, chain := "filter", ""
	var rest []string
	for i := 0; i < len(words); i++ {
		next := ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch w := words[i]; w {
		case "-t", "--table":
			table, i = next, i+1
		case "-A", "--append", "-I", "--insert":
			chain, i = next, i+1
			if i+1 < len(words) {
				if _, err := strconv.Atoi(words[i+1]); err == nil {
					i++
				}
			}
		case "-w", "--wait", "-v", "--verbose", "-n":
		default:
			rest = append(rest, strconv.Quote(w))
		}
	}
	if chain == "" {
		return nil
	}
	return iptablessave.Parse(fmt.Appendf(nil, "*%s\n-A %s %s\nCOMMIT\n", table, chain, strings.Join(rest, " ")), family, "")
}

// madeBy reports whether one of rulesets is the rule.
func (c *opener) madeBy(sets []fact.Ruleset) bool {
	for i := range sets {
		if sets[i].Table != c.set.Table || sets[i].Family != c.set.Family {
			continue
		}
		for j := range sets[i].Chains {
			for k := range sets[i].Chains[j].Rules {
				if r := &sets[i].Chains[j].Rules[k]; sets[i].Chains[j].Name == c.chain && sameOpening(r, c.rule) {
					return true
				}
			}
		}
	}
	return false
}

// saidBy reports whether a command of ufw or firewalld has one of these verbs and
// names the port and the sources of the rule, and no others.
func (c *opener) saidBy(words []string, verbs ...string) bool {
	text := strings.Join(words, " ")
	if !slices.ContainsFunc(verbs, func(v string) bool { return strings.Contains(text, v) }) || strings.Contains(text, "delete") ||
		strings.Contains(text, "--remove") || len(c.rule.DPort) == 0 || !mentions(text, fmt.Sprint(c.rule.DPort[0].From)) {
		return false
	}
	sources := askedSources(c.rule)
	for _, p := range sources {
		name := p.String()
		if p.IsSingleIP() {
			name = p.Addr().String()
		}
		if !strings.Contains(text, name) {
			return false
		}
	}
	return len(sources) > 0 || !namesSource(text)
}

func namesSource(text string) bool {
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" =\"',", r) }) {
		if p, err := netip.ParsePrefix(w); err == nil && p.Bits() > 0 {
			return true
		}
		if _, err := netip.ParseAddr(w); err == nil {
			return true
		}
	}
	return false
}

// timeout is after which time firewalld takes back what it was given: a number of
// seconds, or of s, m, h (firewall-cmd(1)); 0: it does not.
func timeout(words []string) time.Duration {
	for i, w := range words {
		value, ok := strings.CutPrefix(w, "--timeout=")
		if !ok && w == "--timeout" && i+1 < len(words) {
			value, ok = words[i+1], true
		}
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(value); err == nil {
			value = fmt.Sprintf("%ds", n)
		}
		if d, err := time.ParseDuration(value); err == nil && d > 0 {
			return d
		}
	}
	return 0
}
