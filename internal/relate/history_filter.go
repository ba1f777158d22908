package relate

import (
	"slices"
	"strconv"
	"strings"
)

// opens reports whether one of the commands of a line lets somebody reach a port
// through the packet filter. What the line says of another command does not
// count for this one.
func opens(text string, port int) bool {
	for command := range strings.FieldsFuncSeq(strings.ReplaceAll(text, "&&", ";"), func(r rune) bool { return strings.ContainsRune(";|\n", r) }) {
		words := strings.Fields(unquote.Replace(command))
		for i, w := range words {
			if lets := filterTools[w[strings.LastIndexByte(w, '/')+1:]]; lets != nil {
				if lets(words[i+1:]) && slices.ContainsFunc(portsOf(words[i+1:]), func(p string) bool { return namesPort(p, port) }) {
					return true
				}
				break
			}
		}
	}
	return false
}

// filterTools are the programs that change a packet filter, and when their arguments
// let somebody in: a rule that accepts is added, or one that refuses taken away.
var filterTools = map[string]func(args []string) bool{
	"iptables": iptablesLets, "iptables-nft": iptablesLets, "iptables-legacy": iptablesLets,
	"ip6tables": iptablesLets, "ip6tables-nft": iptablesLets, "ip6tables-legacy": iptablesLets,
	"nft": nftLets, "ufw": ufwLets, "firewall-cmd": firewalldLets,
}

func has(words []string, of ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(of, w) })
}

func iptablesLets(a []string) bool {
	adds, removes := has(a, "-A", "-I", "-R", "--append", "--insert", "--replace"), has(a, "-D", "--delete")
	return adds && has(a, "ACCEPT") || removes && has(a, "DROP", "REJECT")
}

func nftLets(a []string) bool {
	return has(a, "add", "insert", "replace") && has(a, "rule") && has(a, "accept")
}

func ufwLets(a []string) bool {
	if has(a, "delete") {
		return has(a, "deny", "reject")
	}
	return has(a, "allow", "limit")
}

func firewalldLets(a []string) bool {
	text := strings.Join(a, " ")
	if strings.Contains(text, "-rich-rule") || strings.Contains(text, "-rule ") { // the latter with --direct
		return strings.Contains(text, "--add-") && has(a, "accept", "ACCEPT") ||
			strings.Contains(text, "--remove-") && has(a, "drop", "reject", "DROP", "REJECT")
	}
	return strings.Contains(text, "--add-port") || strings.Contains(text, "--add-service") || strings.Contains(text, "--add-forward-port")
}

// portsOf are the arguments that say to which ports a rule applies: what follows
// a word for them, or is set to it, of all these programs; ufw has the port of
// its short form behind the verdict.
func portsOf(a []string) (out []string) {
	for i, w := range a {
		name, value, set := strings.Cut(w, "=")
		switch {
		case strings.Contains(name, "sport") || strings.Contains(name, "source-port") || i > 0 && a[i-1] == "!":
		case !strings.Contains(name, "port") && !strings.Contains(name, "service") && !slices.Contains(verdicts, w):
		case set:
			out = append(out, strings.TrimPrefix(value, "port=")) // of --add-forward-port
		case i+1 < len(a) && strings.HasPrefix(a[i+1], "{"):
			set, _, _ := strings.Cut(strings.Join(a[i+1:], ""), "}")
			out = append(out, set)
		case i+1 < len(a):
			out = append(out, strings.TrimPrefix(a[i+1], "name="))
		}
	}
	return out
}

// verdicts are those of ufw, and the direction that may follow one.
var verdicts = []string{"allow", "limit", "deny", "reject", "in"}

// services are ports that commands call by name, as IANA, firewalld and ufw do.
var services = map[string]int{
	"ssh": 22, "openssh": 22, "http": 80, "https": 443, "mysql": 3306, "postgresql": 5432, "redis": 6379, "mongodb": 27017,
}

// namesPort reports whether a value is, or is a list that holds, a port, its
// service, or a range that it is in.
func namesPort(value string, port int) bool {
	for one := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(",{}", r) }) {
		one, _, _ = strings.Cut(one, "/")
		if services[strings.ToLower(one)] == port {
			return true
		}
		i := strings.IndexAny(one, ":-")
		if i < 0 {
			i = len(one)
		}
		from, err := strconv.Atoi(one[:i])
		to, err2 := strconv.Atoi(strings.TrimLeft(one[i:], ":-"))
		if err == nil && (from == port || err2 == nil && from <= port && port <= to) {
			return true
		}
	}
	return false
}
