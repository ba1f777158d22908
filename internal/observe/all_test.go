package observe

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// Every observer that a file declares is in All, and every name in Needs is
// one of theirs.
func TestAllHasEveryObserver(t *testing.T) {
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, n := range names {
		if !strings.HasSuffix(n.Name(), ".go") || strings.HasSuffix(n.Name(), "_test.go") || n.Name() == "all.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), n.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			declared += observersIn(d)
		}
	}
	if declared != len(All) {
		t.Errorf("%d observers are declared, All has %d", declared, len(All))
	}
	known := map[string]bool{}
	for _, o := range All {
		if known[o.Name] || o.Doc == "" || len(o.Sees) == 0 {
			t.Errorf("%q: a name of its own, a Doc and what it sees", o.Name)
		}
		known[o.Name] = true
	}
	for _, o := range All {
		for _, n := range o.Needs {
			if !known[n] {
				t.Errorf("%s needs %q, which nothing is", o.Name, n)
			}
		}
	}
}

// observersIn counts package-level variables whose value is &Observer{…}.
func observersIn(d ast.Decl) (n int) {
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok != token.VAR {
		return 0
	}
	for _, s := range g.Specs {
		for _, v := range s.(*ast.ValueSpec).Values {
			u, ok := v.(*ast.UnaryExpr)
			if !ok {
				continue
			}
			if l, ok := u.X.(*ast.CompositeLit); ok {
				if id, ok := l.Type.(*ast.Ident); ok && id.Name == "Observer" {
					n++
				}
			}
		}
	}
	return n
}
