package services

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of the manuals anew")

// The marks around the table in a manual.
const began, ended = "<!-- services -->\n", "<!-- end of services -->\n"

// What is asked of each service stands in both manuals, word for word.
func TestManualsTellWhatIsAsked(t *testing.T) {
	for _, file := range []string{"../docs/manual/en.md", "../docs/manual/zh-CN.md"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, ok := strings.Cut(string(b), began)
		head, behind, ok2 := strings.Cut(rest, ended)
		if !ok || !ok2 {
			t.Fatalf("%s has no %q … %q", file, began, ended)
		}
		title, _, _ := strings.Cut(head, "\n")
		want := title + "\n|---|---|---|---|\n" + rows()
		if *update {
			if err := os.WriteFile(file, []byte(before+began+want+ended+behind), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if head != want {
			t.Errorf("%s: the table is not what services/ says: go test ./services -update\n%s", file, want)
		}
	}
}

func rows() string {
	var b strings.Builder
	for _, k := range All() {
		asked := "–"
		switch q := k.Ask; {
		case q == nil:
		case q.Get != "":
			asked = "`GET " + q.Get + "`"
		case q.Says != "":
			asked = "`" + q.Says + "`"
		default:
			asked = "`" + strings.Trim(fmt.Sprintf("%q", q.Send), `"`) + "`"
		}
		if k.Ask != nil && k.Ask.TLS != nil {
			asked += " (TLS)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", k.Title, k.Gives, strings.Join(k.decides(), ", "), asked)
	}
	return b.String()
}

// decides are the settings that the answer hangs on.
func (k *Service) decides() []string {
	out := map[string]bool{}
	for _, r := range k.Auth {
		for name := range r.When {
			src := k.Settings[name]
			out["`"+strings.TrimRight(slices.Concat(src.Key, src.Flag, src.Switch, src.Env)[0], ".*")+"`"] = true
		}
	}
	return slices.Sorted(maps.Keys(out))
}
