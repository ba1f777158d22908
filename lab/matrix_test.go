//go:build lab

package lab

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/results/matrix.md")

const matrixPage = "../docs/results/matrix.md"

// certainties from the least.
var certainties = []string{"", "possible", "likely", "confirmed"}

func rank(certainty string) int { return slices.Index(certainties, certainty) }

// square is what a look at one cell came to.
type square struct {
	cell      Cell
	certainty string   // the highest of an attack finding: about the stand-in's process, or about anything on an honest host
	rules     []string // of those findings
	beside    []string // rules of attack findings about other things
	unseen    []string // observers that did not see all
}

// TestMatrix: on one host, one cell after another is played, looked at with the built binary, and ended. Each stand-in is
// found with the certainty that it must be; no honest program is accused or would be touched; and the table in
// docs/results tells the same (-update writes it).
func TestMatrix(t *testing.T) {
	bin := product(t)
	h := boot(t, Config{Name: "matrix", Scenario: "matrix"})
	if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
		t.Fatal(err)
	}
	var all []square
	for _, c := range Cells() {
		t.Run(c.Name, func(t *testing.T) {
			s, err := h.Enact(t.Context(), c.Name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, check(t, h, s))
			if err := s.End(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	tell(t, all)
}

func check(t *testing.T, h *Host, s *Scene) square {
	t.Helper()
	var q square
	var r Result
	err := until(t.Context(), time.Minute, "CPU time for the stand-in", func() (err error) {
		if r, err = h.Run(t.Context(), "/root/demine", "--json"); err != nil {
			return err
		}
		var seen scan
		if err := json.Unmarshal([]byte(r.Stdout), &seen); err != nil {
			t.Fatalf("exit %d, %v: %s%s", r.Exit, err, r.Stdout, r.Stderr)
		}
		if q = said(s, seen); q.verdict() == missed && starved(t, h, s) {
			return errors.New("others use the CPUs")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%s: %s; %q by %v; beside it %v", s.Cell.Name, q.verdict(), q.certainty, q.rules, q.beside)
	if strings.HasPrefix(q.verdict(), "*") {
		t.Errorf("%s: %q by %v, want %q", q.verdict(), q.certainty, q.rules, s.Cell.Want)
	}
	if s.Cell.Want == "" {
		untouched(t, h)
	}
	if t.Failed() {
		keep(t, h, r.Stdout)
	}
	return q
}

// starved says whether the stand-in has had so little of the CPUs that it can be called busy by nobody: the rules that have
// no code to go by ask for 5 % of one. A look is then had again.
func starved(t *testing.T, h *Host, s *Scene) bool {
	t.Helper()
	for _, pid := range s.PIDs {
		r, err := h.Run(t.Context(), "ps", "-o", "pcpu=", "-p", strconv.Itoa(pid))
		if err != nil {
			t.Fatal(err)
		}
		if share, err := strconv.ParseFloat(strings.TrimSpace(r.Stdout), 64); err != nil || share > 5 {
			return false
		}
	}
	return true
}

// said picks what is said of the cell.
func said(s *Scene, seen scan) square {
	q := square{cell: s.Cell}
	for _, c := range seen.Coverage {
		if c.State != "seen" && c.State != "absent" {
			q.unseen = append(q.unseen, c.Observer)
		}
	}
	for _, f := range seen.Findings {
		if f.Class != "attack" {
			continue
		}
		if s.Cell.Want != "" && !about(f, s.PIDs) {
			q.beside = append(q.beside, f.Rule)
			continue
		}
		q.rules = append(q.rules, f.Rule)
		if rank(f.Certainty) > rank(q.certainty) {
			q.certainty = f.Certainty
		}
	}
	slices.Sort(q.rules)
	slices.Sort(q.beside)
	q.rules, q.beside = slices.Compact(q.rules), slices.Compact(q.beside)
	return q
}

// about says whether a finding names one of the processes.
func about(f finding, pids []int) bool {
	return slices.ContainsFunc(pids, func(pid int) bool {
		return strings.HasPrefix(f.Subject, "process:") && strings.Contains(f.Subject, fmt.Sprintf("/%d@", pid)) ||
			f.Message.Args["pid"] == float64(pid)
	})
}

// untouched: contain would change nothing.
func untouched(t *testing.T, h *Host) {
	t.Helper()
	r, err := h.Run(t.Context(), "/root/demine", "contain", "--dry-run", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var plan struct{ Steps []json.RawMessage }
	if err := json.Unmarshal([]byte(r.Stdout), &plan); err != nil {
		t.Fatalf("exit %d, %v: %s%s", r.Exit, err, r.Stdout, r.Stderr)
	}
	if len(plan.Steps) > 0 {
		t.Errorf("contain would do: %s", plan.Steps)
	}
}

// tell compares the table with the page, or writes the page when asked to.
func tell(t *testing.T, all []square) {
	t.Helper()
	if *update {
		if len(all) != len(Cells()) {
			t.Fatalf("%d of %d cells were played: the page is written of a whole run only", len(all), len(Cells()))
		}
		if err := os.WriteFile(matrixPage, []byte(page(all)), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	raw, err := os.ReadFile(matrixPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range all {
		if want := "| " + q.cell.Name + " | " + q.verdict() + " |"; !strings.Contains(string(raw), want) {
			t.Errorf("docs/results/matrix.md has no line %q: run this test with -update", want)
		}
	}
}

const missed = "**missed**"

// verdict is the column that must not change unnoticed.
func (q square) verdict() string {
	switch {
	case q.cell.Want == "" && rank(q.certainty) > rank("possible"):
		return "**accused**"
	case q.cell.Want == "":
		return "left alone"
	case rank(q.certainty) >= rank(q.cell.Want):
		return "found"
	}
	return missed
}

const pageHead = `# Every way to hide, and every honest program

Made by ` + "`go test -tags lab -run TestMatrix ./lab -update`" + `; ` + "`make lab`" + ` plays it again and compares the verdicts. One throwaway
host; on it one cell after another is played, looked at once with the built binary (` + "`demine --json`" + `), and ended.
`

const minersHead = `
## Stand-ins, which must be found

A cell counts as found when an attack finding names the very process with at least the certainty that it is to have. The
stand-in of the first part carries the constants of RandomX and mines nothing; those written anew carry none, and speak the
protocol of mining pools with a stub outside.

| stand-in | verdict | certainty | wanted | how it hides | rules about it | rules about other things |
|---|---|---|---|---|---|---|
`

const honestHead = `
## Honest programs, which must be left alone

Left alone: no attack finding of certainty likely or confirmed on the whole host, and ` + "`demine contain --dry-run`" + ` would do
nothing. What is only asked about (possible) is named, and what was not seen whole: the verdict is "incomplete" then, never
"nothing found". A Redis that has only a Unix socket is not asked for its settings.

| program | verdict | asked about | not seen whole | what it is |
|---|---|---|---|---|
`

func page(all []square) string {
	var b strings.Builder
	b.WriteString(pageHead + minersHead)
	for _, q := range all {
		if q.cell.Want != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", q.cell.Name, q.verdict(), none(q.certainty), q.cell.Want, q.cell.What,
				none(strings.Join(q.rules, ", ")), none(strings.Join(q.beside, ", ")))
		}
	}
	b.WriteString(honestHead)
	for _, q := range all {
		if q.cell.Want == "" {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", q.cell.Name, q.verdict(), none(strings.Join(q.rules, ", ")),
				none(strings.Join(q.unseen, ", ")), q.cell.What)
		}
	}
	return b.String()
}

func none(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
