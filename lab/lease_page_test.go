//go:build lab

package lab

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

const leasesPage = "../docs/results/leases.md"

// tellLeases compares the table with the page, or writes the page when asked to.
func tellLeases(t *testing.T, all []*story) {
	t.Helper()
	raw, err := os.ReadFile(leasesPage)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(leasesPage, []byte(leasesText(all, string(raw))), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, s := range all {
		if want := "| " + s.wall.name + " | " + s.verdict() + " |"; !strings.Contains(string(raw), want) {
			t.Errorf("docs/results/leases.md has no line %q: run this test with -update", want)
		}
	}
}

const leasesHead = `# Leases behind real firewalls

Made by ` + "`go test -tags lab -run TestLease ./lab -update`" + `; ` + "`make lab`" + ` plays it again and compares the verdicts. Each filter
is run by its own daemon or tool on a throwaway host; two machines outside, each with an address of IPv4 and one of IPv6, make
real connections; the built binary opens a port to one of them (` + "`demine lease open`" + `).

Right: before, nobody comes in. With a lease the one whom it names does, the other does not, and all other ports answer as
before. With demine and its keeper killed the port closes at the end of the lease: the last connection that was let in, of one
that is tried each tenth of a second, began so long before (-) or after (+) it, over IPv4 and over IPv6; a second after it none
may be. An established connection goes on, and with ` + "`--drop-established`" + ` is dead. Thirty runs that were killed while they opened
left either nothing, or an opening that ended by itself. Loaded anew as its owner does it, the filter lets the same one in
again, until the same end; closed early, at once nobody. Then the owner saves the rules with a lease among them, and the power
is cut: the filter loads, and nobody comes in; what nft saves holds the lease as well, which then ends when it would have.

| filter | verdict | last let in, from the end on | killed runs that had opened | loaded anew by | let in again after | saved by | after the boot |
|---|---|---|---|---|---|---|---|
`

// leasesText is the page: a line of each filter that was tried, and the line that the page had of each other.
func leasesText(all []*story, before string) string {
	var b strings.Builder
	b.WriteString(leasesHead)
	for _, w := range walls {
		if i := slices.IndexFunc(all, func(s *story) bool { return s.wall.name == w.name }); i >= 0 {
			b.WriteString(all[i].line())
			continue
		}
		for line := range strings.Lines(before) {
			if strings.HasPrefix(line, "| "+w.name+" |") {
				b.WriteString(line)
			}
		}
	}
	if _, rest, more := strings.Cut(before, "\n## "); more { // what else the page tells
		b.WriteString("\n## " + rest)
	}
	return b.String()
}

// verdict is the column that must not change unnoticed.
func (s *story) verdict() string {
	if s.right {
		return right
	}
	return "**wrong**"
}

func (s *story) line() string {
	var ends []string
	for _, e := range s.ends {
		ends = append(ends, fmt.Sprintf("%+.2f s", e.Seconds()))
	}
	back := "was never shut"
	if s.back > 0 {
		back = s.back.Round(100 * time.Millisecond).String()
	}
	return fmt.Sprintf("| %s | %s | %s | %d of %d | `%s` | %s | %s | %s |\n", s.wall.name, s.verdict(), strings.Join(ends, ", "), s.opened, cutRuns,
		s.wall.reload, back, none(code(s.wall.saved)), s.booted)
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
