package demine

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// may is the import table of docs/architecture.md: what a room may import of
// ours. A room that is not here fails the test: give it a line, and a reason
// in the architecture.
var may = map[string][]string{
	"internal/fact":         {},
	"internal/i18n":         {},
	"internal/format":       {"internal/fact", "internal/format"},
	"internal/host":         {"internal/fact", "internal/format"},
	"internal/host/fixture": {"internal/fact", "internal/format", "internal/host"},
	"internal/observe":      {"internal/fact", "internal/host", "internal/format", "patterns", "services"},
	"internal/relate":       {"internal/fact", "internal/format"},
	"internal/judge":        {"internal/fact", "internal/relate", "internal/i18n"},
	"internal/explain":      {"internal/fact", "internal/relate", "internal/judge", "internal/i18n"},
	"internal/respond": {"internal/fact", "internal/i18n", "internal/host", "internal/format", "internal/relate",
		"internal/judge", "internal/explain"},
	"internal/lease": {"internal/fact", "internal/i18n", "internal/relate", "internal/respond"},
	"internal/store": {"internal/fact", "internal/i18n", "internal/relate", "internal/judge", "internal/explain", "internal/respond", "internal/lease"},
	"internal/agent": {"internal/fact", "internal/i18n", "internal/host", "internal/observe", "internal/relate", "internal/judge",
		"internal/explain", "internal/respond", "internal/store", "internal/lease", "internal/format", "rules", "causes"},
	"internal/report": {"internal/fact", "internal/relate", "internal/judge", "internal/explain", "internal/respond", "internal/lease", "internal/i18n"},
	"internal/cli": {"internal/fact", "internal/host", "internal/relate", "internal/judge", "internal/explain",
		"internal/respond", "internal/lease", "internal/store", "internal/agent", "internal/report", "internal/i18n", "rules", "causes"},
	"cmd/demine":     {"internal/cli"},
	"cmd/demine-lab": {"lab"},
	"lab":            {"lab"},
	"bench":          {},
	"rules":          {},
	"causes":         {},
	"services":       {"internal/fact", "internal/format"},
	"patterns":       {"internal/format", "patterns"},
}

// homes are the only rooms that may import a heavy or a dangerous package.
var homes = map[string][]string{
	"os/exec":                    {"internal/respond", "lab", "cmd/demine-lab", "bench"},
	"syscall":                    {"cmd/demine", "internal/respond", "lab", "cmd/demine-lab", "bench"},
	"golang.org/x/sys/unix":      {"internal/host", "internal/respond", "internal/store", "internal/agent", "lab", "cmd/demine-lab"},
	"github.com/google/nftables": {"internal/respond"},
	"golang.org/x/net":           {"internal/host"},
	"github.com/godbus/dbus":     {"internal/respond"},
	"github.com/expr-lang/expr":  {"internal/judge"},
	"github.com/spf13/cobra":     {"internal/cli"},
	"net/http":                   {"lab", "cmd/demine-lab"},
	"github.com/go-sql-driver":   {"lab"},
	"github.com/rogpeppe":        {"internal/host/fixture"},
	"github.com/klauspost":       {"internal/format"},
	"github.com/pierrec":         {"internal/format"},
	"github.com/ulikunitz":       {"internal/format"},
}

// Words that name a drawer instead of a thing.
var drawers = []string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "base"}

func TestArchitecture(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		dir := filepath.ToSlash(filepath.Dir(f))
		if dir == "." {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		if tree.Doc != nil {
			documented[dir] = true
		} else if !documented[dir] {
			documented[dir] = false
		}
		if slices.Contains(drawers, filepath.Base(dir)) {
			t.Errorf("%s: a package is named after what is in it, not %q", dir, filepath.Base(dir))
		}
		checkImports(t, f, dir, tree)
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

func sources(t *testing.T) []string {
	var out []string
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && p != ".") {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(p, ".go") && !strings.HasSuffix(p, "_test.go") {
			out = append(out, p)
		}
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	return out
}

func checkImports(t *testing.T, file, dir string, tree *ast.File) {
	r := room(dir)
	allowed, ok := may[r]
	if !ok {
		t.Errorf("%s: no line for it in the import table", dir)
		return
	}
	for _, i := range tree.Imports {
		p := strings.Trim(i.Path.Value, `"`)
		if own, ours := strings.CutPrefix(p, "demine/"); ours {
			to := room(own)
			if to != r && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s: the table does not let it", file, own)
			}
		}
		for heavy, at := range homes {
			if (p == heavy || strings.HasPrefix(p, heavy+"/")) && !slices.Contains(at, r) {
				t.Errorf("%s imports %s: its home is %v", file, p, at)
			}
		}
	}
}

// room is the longest line of the table that a folder falls under.
func room(dir string) string {
	best := ""
	for r := range may {
		if (dir == r || strings.HasPrefix(dir, r+"/")) && len(r) > len(best) {
			best = r
		}
	}
	if best == "" {
		return dir
	}
	return best
}

// Every observer that a file declares is in the list that runs.
func TestAllObserversAreListed(t *testing.T) {
	declared, listed := map[string]bool{}, map[string]bool{}
	files, _ := filepath.Glob("internal/observe/*.go")
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			if v.Names[0].Name == "All" {
				for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
					listed[e.(*ast.Ident).Name] = true
				}
				return false
			}
			if u, ok := v.Values[0].(*ast.UnaryExpr); ok {
				if c, ok := u.X.(*ast.CompositeLit); ok {
					if id, ok := c.Type.(*ast.Ident); ok && id.Name == "Observer" {
						declared[v.Names[0].Name] = true
					}
				}
			}
			return true
		})
	}
	if len(declared) == 0 {
		t.Fatal("no observers found")
	}
	for name := range declared {
		if !listed[name] {
			t.Errorf("observer %s is not in All", name)
		}
	}
}
