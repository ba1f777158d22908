// Package yara runs rules in a subset of the YARA language
// (yara.readthedocs.io, "Writing YARA rules") over whole files. What is not in
// the subset is refused by file and line, never read as something else.
//
// In: rules with tags and meta, global, private; strings as text (nocase, wide,
// ascii, fullword, private, xor), as hex (wildcards, nibbles, jumps,
// alternatives) and as regular expressions (/i, /s, nocase, fullword) that hold
// a fixed text of four bytes; conditions with and, or, not, comparison,
// integers, N of, at, in, #, @, !, filesize, intN and uintN, for … of, for … in,
// and references to earlier rules. Out: imports, includes, externals, base64,
// wide expressions, entrypoint, strings and floats as values.
//
// One pass finds a fixed part of every string (package pattern); the string
// itself is compared only there.
package yara

import (
	"fmt"

	"demine/internal/format/pattern"
)

// Limits of what is read.
const (
	MaxSource  = 16 << 20 // bytes of one file of rules
	maxRules   = 20000
	maxStrings = 60000 // of all rules, those of xor counted by key
	maxDepth   = 64    // of brackets in a condition
)

// Source is one file of rules.
type Source struct {
	Name string
	Text []byte
}

// Error says where something is wrong or outside of the subset.
type Error struct {
	File string
	Line int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// Rules are compiled rules. They are safe for concurrent use.
type Rules struct {
	rules    []rule
	strs     []str
	set      *pattern.Set
	atoms    []atom // by number in set
	variants int    // strings, those of xor counted by key
	byName   map[string]int
}

type rule struct {
	name            string
	tags            []string
	meta            map[string]string
	global, private bool
	first, last     int // its strings are strs[first:last]
	when            expr
}

// Parse compiles the rules of some files as one set. The error is an *Error.
func Parse(files ...Source) (*Rules, error) {
	r := &Rules{byName: map[string]int{}}
	for _, f := range files {
		if err := r.parse(f); err != nil {
			return nil, err
		}
	}
	return r, r.compile()
}

// Len is how many rules there are.
func (r *Rules) Len() int { return len(r.rules) }

func (r *Rules) parse(f Source) (err error) {
	p := &parser{r: r, lex: lexer{src: f.Text, line: 1}}
	defer func() {
		if x := recover(); x != nil {
			refused, ok := x.(refusal)
			if !ok {
				panic(x)
			}
			err = &Error{f.Name, refused.line, refused.text}
		}
	}()
	if len(f.Text) > MaxSource {
		refuse(1, "the file is larger than %d bytes", MaxSource)
	}
	p.next()
	for p.tok.kind != tokEnd {
		p.rule()
	}
	return nil
}

// refusal is how the parser gives up: from any depth to parse.
type refusal struct {
	line int
	text string
}

func refuse(line int, format string, args ...any) {
	panic(refusal{line, fmt.Sprintf(format, args...)})
}

// compile makes the set of what stands in the strings.
func (r *Rules) compile() error {
	var ps []pattern.Pattern
	for i := 0; i < len(r.strs); i++ {
		if next := r.strs[i].next; next != nil {
			r.strs[i].tail = len(r.strs)
			r.strs = append(r.strs, *next) // behind those of all rules
		}
		s := &r.strs[i]
		for _, a := range s.atoms {
			a.str = i
			ps = append(ps, pattern.Pattern{
				ID: fmt.Sprint(len(ps)), Strength: pattern.Weak, Bytes: a.bytes, NoCase: a.nocase,
			})
			r.atoms = append(r.atoms, a)
		}
	}
	var err error
	r.set, err = pattern.Compile(ps)
	return err
}

// Meta gives a value of a rule's meta section; booleans and numbers as text.
func (m Match) Meta(name string) string { return m.meta[name] }

// Match is one rule that holds.
type Match struct {
	Rule   string
	Tags   []string
	Offset int // of the first of its strings that was found; 0 if it has none
	Count  int // of its strings that were found
	meta   map[string]string
}
