package report

import (
	_ "embed"
	"html/template"
	"io"
	"slices"

	"demine/internal/explain"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// htmlSheet collects blocks and writes them as one file that loads nothing, has
// no script and no link, is read in light and dark and prints well. html/template
// escapes every text.
type htmlSheet struct {
	g      *page
	head   string
	says   string
	blocks []htmlBlock
}

// htmlBlock is one part of the page; exactly one of its fields is set.
type htmlBlock struct {
	Section  string
	Para     string
	Items    []string
	Timeline *timelineFigure
	Graph    *graphFigure
}

func (s *htmlSheet) title(t string)   { s.head = t }
func (s *htmlSheet) verdict(t string) { s.says = t }
func (s *htmlSheet) section(t string) { s.blocks = append(s.blocks, htmlBlock{Section: t}) }
func (s *htmlSheet) para(t string)    { s.blocks = append(s.blocks, htmlBlock{Para: t}) }

// item joins the list that stands last.
func (s *htmlSheet) item(t string) {
	if n := len(s.blocks); n > 0 && len(s.blocks[n-1].Items) > 0 {
		s.blocks[n-1].Items = append(s.blocks[n-1].Items, t)
		return
	}
	s.blocks = append(s.blocks, htmlBlock{Items: []string{t}})
}

func (s *htmlSheet) timeline(es []explain.Event) {
	if f := s.g.timelineFigure(es); f != nil {
		s.blocks = append(s.blocks, htmlBlock{Timeline: f})
	}
}

func (s *htmlSheet) graph(gr *explain.Graph) {
	if f := s.g.graphFigure(gr); f != nil {
		s.blocks = append(s.blocks, htmlBlock{Graph: f})
	}
}

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

func (s *htmlSheet) end(w io.Writer) error {
	tone := "quiet"
	switch {
	case s.g.s.Verdict == explain.Mining, s.g.s.Verdict == explain.Compromised:
		tone = "alarm"
	case s.g.s.Verdict != explain.NothingFound,
		slices.ContainsFunc(s.g.s.Findings, func(f judge.Finding) bool { return f.Class == judge.Posture }):
		tone = "doubt"
	}
	lang := "en"
	if s.g.c.Lang() == i18n.Chinese {
		lang = "zh-CN"
	}
	return pageTemplate.Execute(w, map[string]any{
		"Lang": lang, "Title": s.head, "Verdict": s.says, "Tone": tone, "Blocks": s.blocks, "Made": s.g.fit(s.g.say("page.html.made")),
	})
}
