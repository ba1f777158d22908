//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const causesPage = "../docs/results/causes.md"

// inquest is what a look said of how an intruder came in.
type inquest struct {
	entry  Entry
	causes []cause
	wiped  []cause // after the logs were emptied
}

// TestEntries: each way in is gone on a host of its own. The right cause ranks first and cites what was left; once the
// logs are emptied, it is said that they were. The table in docs/results tells the same (-update writes it).
func TestEntries(t *testing.T) {
	bin := product(t)
	var all []inquest
	for _, e := range Entries() {
		t.Run(e.Name, func(t *testing.T) {
			h := boot(t, Config{Name: "entry-" + e.Name, Scenario: "entry", Cell: e.Name, Threads: 1})
			if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
				t.Fatal(err)
			}
			q := inquest{entry: e}
			q.causes = inquire(t, h)
			if err := h.Wipe(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			q.wiped = inquire(t, h, "--no-probe") // a server that is asked writes a line into its log
			if s := q.verdict(); s != right {
				t.Errorf("%s: first %s; wanted %s with %v", s, q.causes[0], e.Cause, e.Cites)
			}
			if s := q.wipedVerdict(); strings.HasPrefix(s, "*") {
				t.Errorf("wiped: %s: first %s", s, q.wiped[0])
			}
			all = append(all, q)
		})
	}
	tellCauses(t, all)
}

// inquire looks, and gives the causes of the incident that the stand-in belongs to.
func inquire(t *testing.T, h *Host, args ...string) []cause {
	t.Helper()
	r, err := h.Run(t.Context(), append([]string{"/root/demine", "--json"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var seen scan
	if err := json.Unmarshal([]byte(r.Stdout), &seen); err != nil {
		t.Fatalf("exit %d, %v: %s%s", r.Exit, err, r.Stdout, r.Stderr)
	}
	t.Cleanup(func() {
		if t.Failed() {
			keep(t, h, r.Stdout)
		}
	})
	if len(seen.Incidents) == 0 || len(seen.Incidents[0].Causes) == 0 {
		t.Fatalf("no incident: verdict %s", seen.Verdict)
	}
	for _, c := range seen.Incidents[0].Causes {
		t.Logf("%s", c)
	}
	return seen.Incidents[0].Causes
}

func (c cause) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %.2f:", c.ID, c.Score)
	for sign, list := range map[string][]evidence{"+": c.For, "-": c.Against, "?": c.Missing} {
		for _, e := range list {
			fmt.Fprintf(&b, " %s%s", sign, e.ID)
			if e.Origin != nil {
				fmt.Fprintf(&b, "(%s:%d)", e.Origin.Path, e.Origin.Line)
			}
		}
	}
	return b.String()
}

const right = "right"

// verdict is the column that must not change unnoticed.
func (q inquest) verdict() string {
	first := q.causes[0]
	if first.ID != q.entry.Cause {
		return "**" + first.ID + "**"
	}
	for _, id := range q.entry.Cites {
		if !slices.ContainsFunc(first.For, func(e evidence) bool { return e.ID == id && (e.Origin != nil || e.About != "") }) {
			return "**" + id + " is not cited**"
		}
	}
	return right
}

// wipedVerdict names the logs of which it is said that they cannot tell any more.
func (q inquest) wipedVerdict() string {
	want := q.entry.Cause
	if q.entry.Wiped != "" {
		want = q.entry.Wiped
	}
	first := q.wiped[0]
	if first.ID != want {
		return "**" + first.ID + "**"
	}
	var told, unnoticed []string
	for _, l := range q.entry.Logs {
		if slices.ContainsFunc(slices.Concat(first.For, first.Missing), func(e evidence) bool { return e.Origin != nil && e.Origin.Path == l }) {
			told = append(told, l)
		} else {
			unnoticed = append(unnoticed, l)
		}
	}
	switch {
	case len(q.entry.Logs) == 0:
		return first.ID + "; it needs no log"
	case told == nil:
		return "**" + first.ID + ", and no word on the logs**"
	case unnoticed != nil:
		return fmt.Sprintf("%s; emptied: %s; not noticed: %s", first.ID, strings.Join(told, ", "), strings.Join(unnoticed, ", "))
	}
	return fmt.Sprintf("%s; emptied: %s", first.ID, strings.Join(told, ", "))
}

func tellCauses(t *testing.T, all []inquest) {
	t.Helper()
	raw, err := os.ReadFile(causesPage)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(causesPage, []byte(causesText(all, string(raw))), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, q := range all {
		if want := "| " + q.entry.Name + " | " + q.verdict() + " | " + q.causes[0].ID + " |"; !strings.Contains(string(raw), want) {
			t.Errorf("docs/results/causes.md has no line %q: run this test with -update", want)
		}
	}
}

const causesHead = `# Every way in

Made by ` + "`go test -tags lab -run TestEntries ./lab -update`" + `; ` + "`make lab`" + ` plays it again and compares the verdicts. Each way in is
gone on a throwaway host of its own, from another host: the real server, a real login or request, and the harmless stand-in at
the end. Everywhere but under ` + "`unknown`" + ` a Redis without a password is open as well, through which nobody came. The built binary
looks (` + "`demine --json`" + `); then the logs of that way in are emptied, the journal is deleted, and it looks again, without asking
servers, which would write into their logs.

Right: the cause ranks first, and the evidence that is wanted is cited, with its file and line or its process. The score is
of that cause (0.9 and more: confirmed; 0.6: likely; 0.2: possible); second is the cause that comes next. Emptied are the logs
of which demine then says that they were, and can tell nothing more; "not noticed" are others that were emptied as well.

| way in | verdict | first cause | score | second | evidence | once the logs are emptied | what was done |
|---|---|---|---|---|---|---|---|
`

// causesText is the page: a line of each way in that was gone, and the line that the page had of each other.
func causesText(all []inquest, before string) string {
	var b strings.Builder
	b.WriteString(causesHead)
	for _, e := range Entries() {
		if i := slices.IndexFunc(all, func(q inquest) bool { return q.entry.Name == e.Name }); i >= 0 {
			b.WriteString(all[i].line())
			continue
		}
		for line := range strings.Lines(before) {
			if strings.HasPrefix(line, "| "+e.Name+" |") {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

func (q inquest) line() string {
	second := "none"
	if len(q.causes) > 1 {
		second = fmt.Sprintf("%s (%.2f)", q.causes[1].ID, q.causes[1].Score)
	}
	var ids []string
	for _, e := range q.causes[0].For {
		if !slices.Contains(ids, e.ID) {
			ids = append(ids, e.ID)
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %.2f | %s | %s | %s | %s |\n", q.entry.Name, q.verdict(), q.causes[0].ID, q.causes[0].Score, second,
		none(strings.Join(ids, ", ")), q.wipedVerdict(), q.entry.What)
}
