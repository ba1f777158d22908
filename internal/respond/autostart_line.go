package respond

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"demine/internal/fact"
	"demine/internal/format/mask"
	"demine/internal/host"
	"demine/internal/i18n"
)

// autostartCronRemoveLine takes jobs out of a crontab.
var autostartCronRemoveLine = editing[markedLines]{
	name: "autostart.cron.remove-line", phase: Remove, plan: planAutostart,
	path: markedLines.path, find: findJobs, done: markedLines.done,
}.action()

// autostartRCRemoveLine takes commands out of a start-up script.
var autostartRCRemoveLine = editing[markedLines]{
	name: "autostart.rc.remove-line", phase: Remove, plan: planAutostart,
	path: markedLines.path, find: findCommands, done: markedLines.done,
}.action()

// markedLines are lines of a file as facts have them.
type markedLines struct {
	Path  fact.Path    `json:"path"`
	Lines []markedLine `json:"lines"`
}

// markedLine is a line as it was seen: its number, and its text with bytes
// escaped, secrets masked and blanks around it gone.
type markedLine struct {
	N    int    `json:"n"`
	Text string `json:"text"`
}

func (w markedLines) path() fact.Path { return w.Path }

func (w markedLines) texts() []string {
	var out []string
	for _, l := range w.Lines {
		out = append(out, l.Text)
	}
	return out
}

func (w markedLines) done(edits []lineEdit) i18n.Message {
	return i18n.M("done.line.remove", "n", len(edits), "path", w.Path.String())
}

// Caps of observe: what a fact carries of a line.
const (
	maxShownLine = 4 << 10
	maxShellLine = 64 << 10
)

// shownLine is a line as a fact has it (shown of package observe), without the
// blanks around it.
func shownLine(line []byte) string {
	s := clipText(fact.Text(bytes.TrimSpace(line)), maxShellLine)
	return clipText(mask.Text(s), maxShownLine)
}

func clipText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// span is a run of lines that is one command: [from, to), 0-based.
type span struct{ from, to int }

// findMarked gives the spans that are marked: the one at the number if its text
// is the same, else those with the text. Exact copies of a line go with it; of
// different lines that only look the same with secrets masked none is taken.
func findMarked(lines [][]byte, spans []span, marked []markedLine, text func(span) string) ([]span, error) {
	exact := func(s span) string { return string(bytes.TrimRight(bytes.Join(lines[s.from:s.to], nil), "\r\n")) }
	var out []span
	for _, m := range marked {
		want := strings.TrimSpace(m.Text)
		var alike []span
		for _, s := range spans {
			if text(s) != want {
				continue
			}
			if s.from+1 == m.N {
				alike = slices.Insert(alike, 0, s)
			} else {
				alike = append(alike, s)
			}
		}
		if len(alike) == 0 {
			continue
		}
		bytes := exact(alike[0])
		for _, s := range alike {
			switch {
			case exact(s) == bytes:
				out = union(out, []span{s})
			case alike[0].from+1 != m.N:
				return nil, ErrDrifted
			}
		}
	}
	if len(out) == 0 {
		return nil, ErrNothing
	}
	return out, nil
}

// findJobs: a job of a crontab is one line.
func findJobs(_ *host.Host, w markedLines, _ fact.Path, content []byte) ([]lineEdit, error) {
	lines := splitLines(content)
	var spans []span
	for i := range lines {
		spans = append(spans, span{i, i + 1})
	}
	found, err := findMarked(lines, spans, w.Lines, func(s span) string { return shownLine(lines[s.from]) })
	return removeSpans(lines, found), err
}

// removeSpans makes edits that take spans out.
func removeSpans(lines [][]byte, spans []span) []lineEdit {
	var out []lineEdit
	for _, s := range spans {
		for i := s.from; i < s.to; i++ {
			out = append(out, lineEdit{N: i + 1, SHA256: sumHex(lines[i])})
		}
	}
	slices.SortFunc(out, func(a, b lineEdit) int { return a.N - b.N })
	return out
}
