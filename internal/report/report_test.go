package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"demine/internal/explain"
	"demine/internal/i18n"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func load(t *testing.T, name string) *explain.Scan {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var s explain.Scan
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// catalogue is the one of the language with the texts of the rules and causes
// that the test data speak of. They are a copy on purpose: a better sentence
// of a rule must not change what these tests see.
func catalogue(t *testing.T, lang string) *i18n.Catalogue {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "content."+lang+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	if err := yaml.Unmarshal(b, &texts); err != nil {
		t.Fatal(err)
	}
	c := i18n.Load(lang)
	for id, text := range texts {
		c.Add(id, text)
	}
	return c
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

var scans = []string{"mining", "disk", "user", "suspicious", "hostile"}

type writer struct {
	name  string
	write func(io.Writer, *explain.Scan, Options) error
}

var writers = []writer{
	{"text", Text},
	{"explain", func(w io.Writer, s *explain.Scan, o Options) error { return Explain(w, s, o, "") }},
	{"exposure", func(w io.Writer, s *explain.Scan, o Options) error { return Exposure(w, s, nil, o) }},
	{"doctor", Doctor},
}

func TestGolden(t *testing.T) {
	for _, scan := range scans {
		for _, lang := range []string{i18n.English, i18n.Chinese} {
			for _, wr := range writers {
				name := scan + "." + wr.name + "." + lang
				t.Run(name, func(t *testing.T) {
					var b bytes.Buffer
					if err := wr.write(&b, load(t, scan), Options{Catalogue: catalogue(t, lang)}); err != nil {
						t.Fatal(err)
					}
					shown(t, b.String(), 80)
					golden(t, name, b.Bytes())
				})
			}
		}
	}
}

// shown checks what every text for people keeps: valid UTF-8, no character
// that could command a terminal, no line wider than the terminal, no blanks at
// the ends of lines.
func shown(t *testing.T, s string, width int) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Error("not UTF-8")
	}
	for n, line := range strings.Split(s, "\n") {
		for _, r := range line {
			if i18n.Hostile(r) || unicode.Is(unicode.C, r) {
				t.Errorf("line %d: U+%04X in %q", n+1, r, line)
			}
		}
		if w := columns(line); w > width {
			t.Errorf("line %d: %d columns: %s", n+1, w, line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("line %d ends in blanks: %q", n+1, line)
		}
	}
}

// The first screen fits a console without scrollback, whatever is in it.
func TestScreenLines(t *testing.T) {
	for _, scan := range scans {
		for _, lang := range []string{i18n.English, i18n.Chinese} {
			p := newPrinter(load(t, scan), Options{Catalogue: catalogue(t, lang)})
			p.screen()
			if n := strings.Count(p.b.String(), "\n"); n > screenLines {
				t.Errorf("%s %s: %d lines:\n%s", scan, lang, n, p.b.String())
			}
			first, _, _ := strings.Cut(p.b.String(), "\n")
			if !strings.HasPrefix(first, "● ") {
				t.Errorf("%s %s: the verdict is not first: %s", scan, lang, first)
			}
		}
	}
}

func TestASCIIAndColour(t *testing.T) {
	for _, scan := range scans {
		for _, wr := range writers {
			var plain, painted bytes.Buffer
			o := Options{Catalogue: catalogue(t, i18n.English), ASCII: true}
			if err := wr.write(&plain, load(t, scan), o); err != nil {
				t.Fatal(err)
			}
			for _, r := range plain.String() {
				if r != '\n' && (r < 0x20 || r > 0x7e) {
					t.Fatalf("%s %s: U+%04X", scan, wr.name, r)
				}
			}
			shown(t, plain.String(), 80)
			o.Color = true
			if err := wr.write(&painted, load(t, scan), o); err != nil {
				t.Fatal(err)
			}
			bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(painted.String(), "")
			if diff := cmp.Diff(plain.String(), bare); diff != "" {
				t.Errorf("%s %s: colour changes the text (-plain +painted):\n%s", scan, wr.name, diff)
			}
		}
	}
}

func TestNarrow(t *testing.T) {
	for _, scan := range scans {
		for _, lang := range []string{i18n.English, i18n.Chinese} {
			var b bytes.Buffer
			if err := Text(&b, load(t, scan), Options{Catalogue: catalogue(t, lang), Width: 50}); err != nil {
				t.Fatal(err)
			}
			shown(t, b.String(), 50)
		}
	}
}

func TestExplainOne(t *testing.T) {
	s := load(t, "mining")
	for _, tt := range []struct{ id, has, lacks string }{
		{"F-a1000002", "/var/spool/cron/root:2", "Timeline"},
		{"f-a1000002", "/var/spool/cron/root:2", "Timeline"},
		{"redis/open", "6380", "minerd"},
		{"I-a1", "Timeline", "redis/open"},
		{"persistence/cron-fetch-exec", "did not fire", "minerd"},
	} {
		var b bytes.Buffer
		if err := Explain(&b, s, Options{Catalogue: catalogue(t, i18n.English)}, tt.id); err != nil {
			t.Fatalf("%s: %v", tt.id, err)
		}
		if !strings.Contains(b.String(), tt.has) || strings.Contains(b.String(), tt.lacks) {
			t.Errorf("%s: want %q and not %q in\n%s", tt.id, tt.has, tt.lacks, b.String())
		}
	}
	var b bytes.Buffer
	err := Explain(&b, s, Options{}, "F-ffff\x1b")
	if !errors.Is(err, ErrNoSuch) || strings.Contains(err.Error(), "\x1b") || b.Len() > 0 {
		t.Errorf("unknown id: error %v, output %q", err, b.String())
	}
}

// An empty Scan, as from a file of an unknown maker, is told without a panic.
func TestEmpty(t *testing.T) {
	for _, wr := range writers {
		var b bytes.Buffer
		if err := wr.write(&b, &explain.Scan{Incidents: make([]explain.Incident, 1)}, Options{}); err != nil {
			t.Errorf("%s: %v", wr.name, err)
		}
		shown(t, b.String(), 80)
	}
}

func TestJSON(t *testing.T) {
	for _, scan := range scans {
		var b bytes.Buffer
		if err := JSON(&b, load(t, scan)); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b.Bytes()) || bytes.Contains(b.Bytes(), []byte(": null")) {
			t.Errorf("%s: not valid, or null for a list", scan)
		}
		shown(t, b.String(), 1<<20)
		golden(t, scan+".json", b.Bytes())
		var again explain.Scan
		if err := json.Unmarshal(b.Bytes(), &again); err != nil {
			t.Fatal(err)
		}
		var twice bytes.Buffer
		if err := JSON(&twice, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b.String(), twice.String()); diff != "" {
			t.Errorf("%s: changed on the way (-before +after):\n%s", scan, diff)
		}
	}
}

// Every general message that this package names exists.
func TestMessagesExist(t *testing.T) {
	c := i18n.Load(i18n.English)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?i)\b(?:p\.say|c\.Say)\("([a-z.-]+[a-z])"[,)]`).FindAllSubmatch(b, -1) {
			if !c.Has(string(m[1])) {
				t.Errorf("%s: no message %s", f, m[1])
			}
		}
	}
}
