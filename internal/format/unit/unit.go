// Package unit reads systemd unit files and drop-ins: systemd.syntax(7),
// systemd.service(5) "COMMAND LINES", and systemd's conf-parser.c and
// extract-word.c for the corners.
package unit

import (
	"bytes"
	"strings"

	"demine/internal/fact"
)

// Section is one [Name] with its assignments in their order. A section that is
// opened twice is there twice.
type Section struct {
	Name    string
	Entries []Entry
}

// Entry is one assignment. Value has its continuation lines joined; specifiers
// (%n), variables and quotes are left alone. An empty Value is an assignment
// of nothing, which resets a list.
type Entry struct {
	Key, Value string
	Line       int // 1-based, where the assignment starts
}

// maxValue is LONG_LINE_MAX of systemd's basic/def.h, in bytes.
const maxValue = 1 << 20

// Parse gives the sections of a file. What systemd skips is skipped: comments
// (also between continuation lines), assignments before the first section,
// lines without '='.
func Parse(b []byte) []Section {
	p := parser{}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		p.line(string(line), n)
	}
	p.flush()
	return p.out
}

// parser holds a logical line while backslashes continue it.
type parser struct {
	out     []Section
	held    strings.Builder
	holding bool
	start   int
}

func (p *parser) line(s string, n int) {
	s = strings.TrimLeft(strings.TrimRight(s, "\r"), " \t")
	if s != "" && (s[0] == '#' || s[0] == ';') {
		return
	}
	if !p.holding {
		p.start = n
	}
	more := continues(s)
	if more {
		s = s[:len(s)-1] + " "
	}
	if p.held.Len()+len(s) <= maxValue {
		p.held.WriteString(s)
	}
	p.holding = more
	if !more {
		p.flush()
	}
}

// continues reports whether the line ends in a backslash that no other one
// protects.
func continues(s string) bool {
	n := len(s) - len(strings.TrimRight(s, `\`))
	return n%2 == 1
}

func (p *parser) flush() {
	s := strings.Trim(p.held.String(), " \t\r")
	p.held.Reset()
	p.holding = false
	if s == "" {
		return
	}
	if s[0] == '[' {
		if s[len(s)-1] == ']' {
			p.out = append(p.out, Section{Name: text(s[1 : len(s)-1])})
		}
		return
	}
	key, value, ok := strings.Cut(s, "=")
	if !ok || len(p.out) == 0 {
		return
	}
	last := &p.out[len(p.out)-1]
	last.Entries = append(last.Entries, Entry{
		Key:   text(strings.TrimRight(key, " \t\r")),
		Value: text(strings.TrimLeft(value, " \t\r")),
		Line:  p.start,
	})
}

func text(s string) string { return fact.Text([]byte(s)) }
