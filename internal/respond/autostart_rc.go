package respond

import (
	"bytes"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/host"
)

// scriptSpan is a command of a start-up script: continued lines are one.
type scriptSpan struct {
	span
	text  string
	depth int // of the blocks around it
}

// scriptSpans parts a script as package observe does (rcCommands).
func scriptSpans(lines [][]byte) []scriptSpan {
	var out []scriptSpan
	depth := 0
	for from := 0; from < len(lines); {
		to, held := from, ""
		for more := true; more && to < len(lines); to++ {
			var s string
			s, more = strings.CutSuffix(fact.Text(bytes.TrimSuffix(lines[to], []byte("\n"))), `\`)
			held += s
			if more {
				held += " "
			}
		}
		s := scriptSpan{span: span{from, to}, text: strings.TrimSpace(held), depth: depth}
		depth = max(0, depth+blockDepth(s.text))
		out = append(out, s)
		from = to
	}
	return out
}

var (
	blockStarts = []string{"if", "for", "while", "until", "case", "{", "("}
	blockEnds   = []string{"fi", "done", "esac", "}", ")"}
	blockMiddle = []string{"then", "else", "elif", "do"}
)

func scriptWords(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ';' })
}

// blockDepth is how many blocks a line opens, less those that it closes.
func blockDepth(line string) int {
	n := 0
	if strings.HasPrefix(line, "#") {
		return 0
	}
	for _, w := range scriptWords(line) {
		switch {
		case slices.Contains(blockStarts, w):
			n++
		case slices.Contains(blockEnds, w):
			n--
		}
	}
	return n
}

// findCommands takes commands out of a script. Within a block an empty command
// takes their place, so that the block stays one; what is itself part of a
// block or of a longer command is left to people.
func findCommands(_ *host.Host, w markedLines, p fact.Path, content []byte) ([]lineEdit, error) {
	lines := splitLines(content)
	all := scriptSpans(lines)
	var spans []span
	at := map[span]int{}
	for i, s := range all {
		spans = append(spans, s.span)
		at[s.span] = i
	}
	found, err := findMarked(lines, spans, w.Lines, func(s span) string {
		return shownLine([]byte(all[at[s]].text))
	})
	if err != nil {
		return nil, err
	}
	edits := removeSpans(lines, found)
	for _, s := range found {
		i := at[s]
		if !standsAlone(all, i) || bytes.Contains(content, []byte("<<")) {
			return nil, Refuse("refuse.line.part-of-block", "path", p.String(), "line", s.from+1)
		}
		if all[i].depth > 0 {
			n := slices.IndexFunc(edits, func(e lineEdit) bool { return e.N == s.from+1 })
			edits[n].Instead = append([]byte(":"), lineEnd(lines[s.to-1])...)
		}
	}
	return edits, nil
}

// standsAlone: the command neither opens, parts nor closes a block, and is no
// part of a pipe or list that goes on over lines.
func standsAlone(all []scriptSpan, i int) bool {
	goesOn := func(s string) bool {
		return strings.HasSuffix(s, "|") || strings.HasSuffix(s, "&&") || strings.HasSuffix(s, "(") || strings.HasSuffix(s, "{")
	}
	text := all[i].text
	words := scriptWords(text)
	if len(words) == 0 || blockDepth(text) != 0 || goesOn(text) || strings.Count(text, `'`)%2 == 1 || strings.Count(text, `"`)%2 == 1 ||
		slices.Contains(blockMiddle, words[0]) || slices.Contains(blockMiddle, words[len(words)-1]) {
		return false
	}
	for j := i - 1; j >= 0; j-- {
		if above := all[j].text; above != "" && !strings.HasPrefix(above, "#") {
			return !goesOn(above)
		}
	}
	return true
}
