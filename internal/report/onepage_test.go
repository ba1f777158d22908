package report

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"demine/internal/explain"
	"demine/internal/i18n"
	"demine/internal/respond"
)

// paged is the catalogue of the test data with the sentences of actions.
func paged(t *testing.T, lang string) *i18n.Catalogue {
	c := catalogue(t, lang)
	for id, text := range sentences {
		if lang == i18n.Chinese {
			c.Add(id, text[1])
		} else {
			c.Add(id, text[0])
		}
	}
	return c
}

// pages are one-page reports by name.
func pages(t *testing.T) map[string]func(io.Writer, Options) error {
	one := func(scan string, pg Page, names ...string) func(io.Writer, Options) error {
		var rs []respond.Run
		for _, n := range names {
			rs = append(rs, runs()[n])
		}
		return func(w io.Writer, o Options) error { return OnePage(w, load(t, scan), rs, o, pg) }
	}
	after := later(t, removed)
	return map[string]func(io.Writer, Options) error{
		"mining":     one("mining", Page{}),
		"done":       one("mining", Page{Format: PageMarkdown, After: after}, "done", "unconfirmed"),
		"redacted":   one("mining", Page{Redact: true, After: after}, "partly", "hostile"),
		"disk":       one("disk", Page{Format: PageMarkdown}),
		"suspicious": one("suspicious", Page{}),
		"hostile":    one("hostile", Page{Format: PageMarkdown}, "hostile"),
	}
}

func TestOnePageGolden(t *testing.T) {
	for name, write := range pages(t) {
		for _, lang := range []string{i18n.English, i18n.Chinese} {
			t.Run(name+"."+lang, func(t *testing.T) {
				var b bytes.Buffer
				if err := write(&b, Options{Catalogue: paged(t, lang)}); err != nil {
					t.Fatal(err)
				}
				width := 80
				if strings.HasPrefix(b.String(), "# ") {
					width = 1 << 20
				}
				shown(t, b.String(), width)
				if lines := strings.Count(b.String(), "\n"); lines > 110 {
					t.Errorf("%d lines are no page", lines)
				}
				if link := regexp.MustCompile(`(?i)https?://`).FindString(b.String()); link != "" {
					t.Errorf("there is a link: %s", link)
				}
				golden(t, "onepage."+name+"."+lang, b.Bytes())
			})
		}
	}
}

// What is redacted holds no name and no address of the host's owner, but those
// of the intruder.
func TestRedacted(t *testing.T) {
	s := load(t, "mining")
	s.Host.Name = "seckill-01.example.net"
	s.Findings[0].Message = i18n.M("verdict.mining", "story", "SECKILL-01 10.1.2.3 from:fd00::1 10.1.2.3:6380, 203.0.113.9 0.0.0.0 seckill-012 2001:db8::5")
	s.Findings[0].Class = "posture"
	for _, format := range []string{PageText, PageMarkdown, PageHTML} {
		var b bytes.Buffer
		r := runs()["done"]
		if err := OnePage(&b, s, []respond.Run{r}, Options{Catalogue: paged(t, i18n.English)}, Page{Redact: true, Format: format}); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.Fields(b.String()), " ")
		for _, bad := range []string{"seckill-01.", "SECKILL", "seckill-01 ", "10.1.2.3", "fd00::1", "2001:db8", "198.51.100.20"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q is in\n%s", bad, b.String())
			}
		}
		for _, want := range []string{"(this host) (address 2) from:(address 3) (address 2):6380, 203.0.113.9 0.0.0.0 seckill-012 (address 4)", "02:22:41"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, b.String())
			}
		}
	}
}

// Text of the host cannot make headings, links or pictures of itself.
func TestMarkdownIsInert(t *testing.T) {
	s := load(t, "mining")
	s.Findings = append(s.Findings, s.Findings[len(s.Findings)-1])
	f := &s.Findings[len(s.Findings)-1]
	f.Class, f.Message = "posture", i18n.M("verdict.mining", "story", "![x](https://203.0.113.9/p) <img src=x> `code` **bold** # head &lt; ftp://x")
	var b bytes.Buffer
	if err := OnePage(&b, s, nil, Options{Catalogue: paged(t, i18n.English)}, Page{Format: PageMarkdown}); err != nil {
		t.Fatal(err)
	}
	if want := `\!\[x\](hxxps://203.0.113.9/p) \<img src=x\> \` + "`code\\`" + ` \*\*bold\*\* \# head \&lt; ftp\[:\]//x`; !strings.Contains(b.String(), want) {
		t.Errorf("%s is not in\n%s", want, b.String())
	}
}

// A container is made anew, whatever can be removed in place.
func TestPageContainer(t *testing.T) {
	s := load(t, "mining")
	s.Incidents[0].Advice, s.Incidents[0].AdviceWhy = "clean", i18n.M("advice.container-unknown")
	var b bytes.Buffer
	if err := OnePage(&b, s, nil, Options{Catalogue: paged(t, i18n.English)}, Page{Format: PageMarkdown}); err != nil {
		t.Fatal(err)
	}
	if want := "recreate the container"; !strings.Contains(b.String(), want) {
		t.Errorf("%q is not in\n%s", want, b.String())
	}
}

func TestEmptyPage(t *testing.T) {
	for _, pg := range []Page{{}, {Format: PageMarkdown, Redact: true, After: &explain.Scan{}}} {
		var b bytes.Buffer
		s := &explain.Scan{Incidents: make([]explain.Incident, 1)}
		if err := OnePage(&b, s, make([]respond.Run, 1), Options{ASCII: true}, pg); err != nil {
			t.Fatal(err)
		}
		shown(t, b.String(), 1<<20)
	}
}
