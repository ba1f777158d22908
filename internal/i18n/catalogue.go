package i18n

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

// The languages that demine speaks.
const (
	English = "en"
	Chinese = "zh-CN"
)

//go:embed messages/*/*.yaml
var files embed.FS

// Catalogue makes sentences of Messages in one language. Add is for setting it
// up; after that it may be used by several goroutines.
type Catalogue struct {
	lang string
	text map[string]string
	now  time.Time // times are shown in its zone, and with a date when on another day
}

// Load gives the catalogue of a language with the general messages; a language
// that is not known gives English. Texts of rules and causes are added by the
// caller.
func Load(lang string) *Catalogue {
	if lang != Chinese {
		lang = English
	}
	return &Catalogue{lang: lang, text: maps.Clone(general[lang]())}
}

// general are the embedded messages of each language, read once.
var general = map[string]func() map[string]string{
	English: sync.OnceValue(func() map[string]string { return read(English) }),
	Chinese: sync.OnceValue(func() map[string]string { return read(Chinese) }),
}

func read(lang string) map[string]string {
	text := map[string]string{}
	names, err := fs.Glob(files, "messages/"+lang+"/*.yaml")
	for _, name := range names {
		part := map[string]string{}
		b, rerr := files.ReadFile(name)
		err = errors.Join(err, rerr, yaml.Unmarshal(b, &part))
		for id, s := range part {
			if _, twice := text[id]; twice {
				err = errors.Join(err, fmt.Errorf("%s: %s stands in another file too", name, id))
			}
			text[id] = s
		}
	}
	if err != nil {
		panic("i18n: embedded messages: " + err.Error()) // a test reads them
	}
	return text
}

// Lang is the language, "en" or "zh-CN".
func (c *Catalogue) Lang() string { return c.lang }

// At gives the same catalogue with another clock: times are shown in the zone
// of now, with a date when they are not on its day.
func (c *Catalogue) At(now time.Time) *Catalogue {
	d := *c
	d.now = now
	return &d
}

// Add gives a message its text; a text that was there is replaced.
func (c *Catalogue) Add(id, text string) { c.text[id] = strings.TrimSpace(text) }

// Has reports whether there is a text for an id.
func (c *Catalogue) Has(id string) bool { return c.text[id] != "" }

// Under gives the ids that begin with prefix, sorted.
func (c *Catalogue) Under(prefix string) []string {
	var out []string
	for id := range c.text {
		if strings.HasPrefix(id, prefix) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// Say is Text of a Message made of an id and pairs of name and value.
func (c *Catalogue) Say(id string, pairs ...any) string { return c.Text(M(id, pairs...)) }

// Text makes the sentence of a message. An id without a text gives the id and
// its arguments; an argument that is not there gives "?". Whatever came from
// the host is sanitised.
func (c *Catalogue) Text(m Message) string { return c.sentence(m, 0) }

// Messages can be arguments of messages; a hostile file could nest them deep.
const maxNesting = 4

func (c *Catalogue) sentence(m Message, depth int) string {
	if depth > maxNesting {
		return "…"
	}
	text, ok := c.text[m.ID]
	if !ok {
		return c.untold(m, depth)
	}
	var b strings.Builder
	for _, p := range parse(text) {
		if p.name == "" {
			b.WriteString(p.literal)
			continue
		}
		v, ok := m.Args[p.name]
		if !ok || v == nil {
			b.WriteString("?")
			continue
		}
		b.WriteString(c.value(v, p.format, depth))
	}
	return b.String()
}

func (c *Catalogue) untold(m Message, depth int) string {
	if len(m.Args) == 0 {
		return Clean(m.ID)
	}
	var args []string
	for _, k := range slices.Sorted(maps.Keys(m.Args)) {
		args = append(args, fmt.Sprintf("%s=%s", Clean(k), c.value(m.Args[k], "", depth)))
	}
	return Clean(m.ID) + " (" + strings.Join(args, ", ") + ")"
}
