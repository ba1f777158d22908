package report

import (
	"io"
	"regexp"

	"demine/internal/explain"
)

// sheet is what a page is written on. The texts are fit to be handed out, and
// escaped where that is done by rules of the text alone (Markdown).
type sheet interface {
	title(string)
	verdict(string)
	section(string)
	para(string)
	item(string)
	timeline([]explain.Event)
	graph(*explain.Graph)
	end(io.Writer) error
}

func (g *page) newSheet() sheet {
	switch g.Format {
	case PageHTML:
		return &htmlSheet{g: g}
	case PageMarkdown:
		return markdownSheet{plainSheet{g}}
	}
	return textSheet{plainSheet{g}}
}

// plainSheet is what text and Markdown have in common: no figures.
type plainSheet struct{ g *page }

func (plainSheet) timeline([]explain.Event) {}
func (plainSheet) graph(*explain.Graph)     {}

// end leaves no two empty lines.
func (s plainSheet) end(w io.Writer) error {
	_, err := io.WriteString(w, emptyLines.ReplaceAllString(s.g.b.String(), "\n\n"))
	return err
}

var emptyLines = regexp.MustCompile(`\n{3,}`)

type textSheet struct{ plainSheet }

func (s textSheet) title(t string) {
	s.g.hang("", t, 0)
	s.g.blank()
}

func (s textSheet) verdict(t string) {
	s.g.blank()
	s.para(t)
}

func (s textSheet) section(t string) {
	s.g.blank()
	s.g.hang("", t, 0)
}

func (s textSheet) para(t string) { s.g.hang("  ", t, 0) }
func (s textSheet) item(t string) { s.g.hang("  - ", t, 0) }

type markdownSheet struct{ plainSheet }

func (s markdownSheet) title(t string)   { s.g.b.WriteString("# " + t + "\n") }
func (s markdownSheet) verdict(t string) { s.para(t) }
func (s markdownSheet) section(t string) { s.g.b.WriteString("\n## " + t + "\n\n") }
func (s markdownSheet) para(t string)    { s.g.b.WriteString("\n" + t + "\n\n") }
func (s markdownSheet) item(t string)    { s.g.b.WriteString("- " + t + "\n") }
