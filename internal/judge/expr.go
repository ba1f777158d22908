package judge

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"demine/internal/fact"
	"demine/internal/relate"
)

// Expr is a compiled expression over "it" (a fact or something derived from
// facts) and the functions of the Index. Fields go by their JSON names.
type Expr struct {
	Text string
	prog *vm.Program
}

// Compile checks and compiles an expression. it is a value of the type of
// "it"; vars are further names with a value of their type each.
func Compile(text string, it any, vars map[string]any) (*Expr, error) {
	env := functions(nil, nil)
	env["it"] = it
	for k, v := range vars {
		env[k] = v
	}
	// The names are rewritten before types are looked at: the checker keeps the
	// type that it once gave to a call, and would not look at its arguments again.
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	ast.Walk(&tree.Node, jsonNames{})
	p, err := expr.Compile(tree.Node.String(), expr.Env(env), expr.Patch(plainText{}))
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	return &Expr{Text: text, prog: p}, nil
}

// Asker evaluates expressions over one Index. It is made once for many: what
// an expression can see is built with it. It is not safe for use by several
// goroutines.
type Asker struct {
	x   *relate.Index
	t   *tracker // of the evaluation under way
	env map[string]any
	vm  vm.VM
}

// Ask makes an Asker; vars are the further names of its expressions.
func Ask(x *relate.Index, vars map[string]any) *Asker {
	a := &Asker{x: x, t: &tracker{}}
	a.env = functions(x, a.t)
	for k, v := range vars {
		a.env[k] = v
	}
	return a
}

// Value evaluates an expression on "it".
func (a *Asker) Value(e *Expr, it any) (any, error) { return a.run(e, it, nil) }

func (a *Asker) run(e *Expr, it any, assign map[string]bool) (any, error) {
	*a.t = tracker{x: a.x, assign: assign}
	a.env["it"] = it
	v, err := a.vm.Run(e.prog, a.env)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", e.Text, err)
	}
	return v, nil
}

// Args evaluates the arguments of a sentence; one that fails is shown as "?".
func (a *Asker) Args(exprs map[string]*Expr, it any) map[string]any {
	if len(exprs) == 0 {
		return nil
	}
	args := make(map[string]any, len(exprs))
	for name, e := range exprs {
		v, err := a.Value(e, it)
		if err != nil || v == nil {
			v = "?"
		}
		args[name] = plain(v)
	}
	return args
}

// jsonNames lets expressions use the JSON name of a field: one word a concept
// across Go, YAML and JSON. What a hypothesis names in "with" are its own words.
type jsonNames struct{}

func (jsonNames) Visit(node *ast.Node) {
	m, ok := (*node).(*ast.MemberNode)
	if !ok {
		return
	}
	s, ok := m.Property.(*ast.StringNode)
	if of, isName := m.Node.(*ast.IdentifierNode); !ok || isName && of.Value == "with" {
		return
	}
	if name, ok := goNames[s.Value]; ok {
		s.Value = name
	}
}

// plainText turns Paths and Refs into strings where they are used: the
// engine's operators compare strings only with strings.
type plainText struct{}

func (plainText) Visit(node *ast.Node) {
	switch (*node).(type) {
	case *ast.MemberNode, *ast.PointerNode:
		if t := (*node).Type(); t == reflect.TypeFor[fact.Path]() || t == reflect.TypeFor[fact.Ref]() {
			ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: "text"}, Arguments: []ast.Node{*node}})
		}
	}
}

// goNames maps the JSON name of every field that rules can see to its Go name.
var goNames = fieldNames(
	fact.HostInfo{}, fact.Load{}, fact.Process{}, fact.Socket{}, fact.Autostart{}, fact.File{},
	fact.Account{}, fact.Key{}, fact.Service{}, fact.LogEvent{}, fact.Coverage{}, fact.Container{}, fact.Flow{}, fact.Kernel{}, fact.Module{}, fact.Ruleset{},
	relate.Exposure{}, relate.OpenRule{}, relate.Schedule{}, relate.Start{}, relate.Past{}, Finding{},
)

// fieldNames walks the types. Two Go names for one JSON name would make rules
// ambiguous: that is a defect of the types, found at start-up and by a test.
func fieldNames(values ...any) map[string]string {
	out := map[string]string{}
	seen := map[reflect.Type]bool{}
	for _, v := range values {
		addFields(reflect.TypeOf(v), out, seen)
	}
	return out
}

func addFields(t reflect.Type, out map[string]string, seen map[reflect.Type]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] || !strings.HasPrefix(t.PkgPath(), "demine/") {
		return
	}
	seen[t] = true
	for f := range fields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		if old, ok := out[name]; ok && old != f.Name {
			panic(fmt.Sprintf("judge: JSON name %q is %s and %s", name, old, f.Name))
		}
		out[name] = f.Name
		addFields(f.Type, out, seen)
	}
}

func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && !yield(f) {
				return
			}
		}
	}
}
