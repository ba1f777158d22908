package report

import (
	"io"
	"strings"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
)

// printer lays out lines of text for one Scan.
type printer struct {
	s   *explain.Scan
	o   Options
	c   *i18n.Catalogue
	b   strings.Builder
	max int      // columns
	ids []string // labels of the rows that stand together
}

func newPrinter(s *explain.Scan, o Options) *printer {
	c := o.Catalogue
	if c == nil {
		c = i18n.Load(i18n.English)
	}
	return &printer{s: s, o: o, c: c.At(hostTime(s, s.Taken)), max: o.width(), ids: screenLabels}
}

func (p *printer) flush(w io.Writer) error {
	_, err := io.WriteString(w, p.b.String())
	return err
}

// say is a general message in the language, fit for the terminal.
func (p *printer) say(id string, pairs ...any) string { return p.fold(p.c.Say(id, pairs...)) }

// text is a message that the Scan carries.
func (p *printer) text(m i18n.Message) string { return p.fold(p.c.Text(m)) }

// host is a text of the host.
func (p *printer) host(s string) string { return p.fold(i18n.Clean(s)) }

func (p *printer) fold(s string) string {
	if p.o.ASCII {
		return i18n.ASCII(s)
	}
	return s
}

// origin is "path:line".
func (p *printer) origin(o *fact.Origin) string {
	if o == nil || o.Path == "" {
		return ""
	}
	if o.Line > 0 {
		return p.say("origin.line", "path", o.Path, "line", o.Line)
	}
	return p.host(o.Path.String())
}

func (p *printer) dots() string { return p.fold("…") }

func (p *printer) paint(s, code string) string {
	if !p.o.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) painted(s, code string) string {
	if code == "" {
		return s
	}
	return p.paint(s, code)
}

func (p *printer) blank() { p.b.WriteString("\n") }

// heading is a line of its own after a blank one.
func (p *printer) heading(s string) {
	p.blank()
	for _, l := range wrap(s, p.max) {
		p.b.WriteString(p.paint(l, bold) + "\n")
	}
}

// hang writes a text behind a head; following lines stand under its first
// character. At most lines lines (0: all), the last one cut.
func (p *printer) hang(head, s string, lines int) int {
	return p.hangPainted(head, "", s, lines)
}

// hangPainted is hang with a colour for the head.
func (p *printer) hangPainted(head, code, s string, lines int) int {
	indent := columns(head)
	ls := wrap(s, max(10, p.max-indent))
	if lines > 0 && len(ls) > lines {
		rest := strings.Join(ls[lines-1:], " ")
		ls = append(ls[:lines-1], fit(rest, max(10, p.max-indent), p.dots()))
	}
	for i, l := range ls {
		if i == 0 {
			p.b.WriteString(strings.TrimRight(p.painted(head, code)+l, " ") + "\n")
			continue
		}
		p.b.WriteString(strings.Repeat(" ", indent) + l + "\n")
	}
	return len(ls)
}

// command is written on a line of its own however long it is: to be copied.
func (p *printer) command(s string) { p.b.WriteString("    " + p.host(s) + "\n") }

// row writes "  label  text" with aligned texts.
func (p *printer) row(label, s string, lines int) int {
	return p.hang("  "+pad(label, p.labels())+"  ", s, lines)
}

// Labels that stand above each other, in the short and in the long reports.
var (
	screenLabels = []string{"process", "container", "pool", "autostart", "key", "file", "hurts", "door", "load", "note", "next", "looked", "unseen"}
	storyLabels  = []string{"process", "container", "pool", "autostart", "key", "file", "where", "subject", "why", "blind", "unless", "yours", "attack", "fix", "note", "unknown"}
	doctorLabels = []string{"host", "as", "filter", "you", "took", "note"}
)

// labels is the width of the widest label of a row.
func (p *printer) labels() int {
	n := 0
	for _, id := range p.ids {
		n = max(n, columns(p.say("label."+id)))
	}
	return n
}

// bullet writes an item of a list.
func (p *printer) bullet(mark, s string, lines int) { p.hang("  "+mark+" ", s, lines) }

// join joins what is not empty.
func join(sep string, parts ...string) string {
	var out []string
	for _, s := range parts {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, sep)
}

func (p *printer) sep() string { return p.say("list.sep") }
