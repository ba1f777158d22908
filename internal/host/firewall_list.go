package host

import (
	"bytes"
	"os"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// XTList is the file of a list of the match "recent", of the calling thread's
// network namespace.
func XTList(name string) string { return threadFile("net/xt_recent/" + name) }

// SettleLists answers the question of rules whether a list of "recent" holds the
// address of all zeros, the only one that it asks for: such a rule is for every
// packet, or it is for none. What cannot be read stays a doubt.
func SettleLists(family string, chains []fact.Chain) {
	known := map[string]truth{}
	for i := range chains {
		for j := range chains[i].Rules {
			settleList(family, &chains[i].Rules[j], known)
		}
	}
}

type truth int

const (
	unknown truth = iota
	holds
	lacks
)

func settleList(family string, r *fact.Rule, known map[string]truth) {
	i := slices.IndexFunc(r.Unknown, func(w string) bool { return strings.HasPrefix(w, xtables.ListWord) })
	if i < 0 {
		return
	}
	name := strings.TrimPrefix(r.Unknown[i], xtables.ListWord)
	t, asked := known[name]
	if !asked {
		t = readList(family, name)
		known[name] = t
	}
	if t == unknown {
		return
	}
	if r.Unknown = slices.Delete(slices.Clone(r.Unknown), i, i+1); t == lacks {
		xtables.Never(r)
	}
}

// readList looks for "src=0.0.0.0 ", and of IPv6 for the address in full
// (recent_seq_show of xt_recent.c).
func readList(family, name string) truth {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\\") {
		return unknown
	}
	b, err := os.ReadFile(XTList(name))
	if err != nil {
		return unknown
	}
	zero := "src=0.0.0.0 "
	if family == "ip6" {
		zero = "src=0000:0000:0000:0000:0000:0000:0000:0000 "
	}
	for l := range bytes.Lines(b) {
		if bytes.HasPrefix(l, []byte(zero)) {
			return holds
		}
	}
	return lacks
}
