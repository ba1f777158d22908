package respond

import (
	"bytes"
	"slices"
)

// lineEdit takes one line out of a text, or puts another in its place. The
// line is named by its exact bytes; all others stay as they are.
type lineEdit struct {
	N       int    `json:"n"`                 // 1-based
	SHA256  string `json:"sha256"`            // of the line with its end
	Instead []byte `json:"instead,omitempty"` // with its end; empty: nothing
}

// splitLines gives the lines with their ends; the last may have none.
func splitLines(b []byte) [][]byte {
	lines := bytes.SplitAfter(b, []byte{'\n'})
	if n := len(lines); len(lines[n-1]) == 0 {
		lines = lines[:n-1]
	}
	return lines
}

// lineEnd is how a line ends: "\n", "\r\n", or nothing.
func lineEnd(line []byte) []byte { return line[len(bytes.TrimRight(line, "\r\n")):] }

// editLines applies edits to a text. ErrDrifted: a line is not what it should be.
func editLines(text []byte, edits []lineEdit) ([]byte, error) {
	next, _, err := applyEdits(text, edits)
	return bytes.Join(next, nil), err
}

// hunk is a run of lines that were changed: those before, those after, and the
// place of the latter in the text as changed.
type hunk struct {
	old, new [][]byte
	at       int
}

// applyEdits gives the lines as changed, and what was changed.
func applyEdits(text []byte, edits []lineEdit) ([][]byte, []hunk, error) {
	edits = slices.SortedFunc(slices.Values(edits), func(a, b lineEdit) int { return a.N - b.N })
	lines := splitLines(text)
	var next [][]byte
	var hunks []hunk
	done := 0
	for _, e := range edits {
		if e.N <= done || e.N > len(lines) || sumHex(lines[e.N-1]) != e.SHA256 {
			return nil, nil, ErrDrifted
		}
		next = append(next, lines[done:e.N-1]...)
		if n := len(hunks); n == 0 || e.N-1 > done || done == 0 {
			hunks = append(hunks, hunk{at: len(next)})
		}
		h := &hunks[len(hunks)-1]
		h.old = append(h.old, lines[e.N-1])
		if len(e.Instead) > 0 {
			h.new = append(h.new, e.Instead)
			next = append(next, e.Instead)
		}
		done = e.N
	}
	return append(next, lines[done:]...), hunks, nil
}

// unedit takes edits of old back in a text that somebody has changed since.
// Each place is found by the lines around it: by one on either side, or by
// more where that is not unique. ErrDrifted: the surroundings were changed.
func unedit(text, old []byte, edits []lineEdit) ([]byte, error) {
	next, hunks, err := applyEdits(old, edits)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(text, old) || bytes.Equal(text, bytes.Join(next, nil)) { // nobody has; lines alike do not matter
		return bytes.Clone(old), nil
	}
	lines := splitLines(text)
	places := make([]int, len(hunks))
	for i, h := range hunks {
		if places[i], err = placeOf(lines, next, h); err != nil {
			return nil, err
		}
	}
	for i, h := range slices.Backward(hunks) {
		if places[i] != isBack {
			lines = slices.Replace(lines, places[i], places[i]+len(h.new), h.old...)
		}
	}
	return bytes.Join(lines, nil), nil
}

const (
	isBack     = -1 // the old lines are there again
	maxContext = 3
)

// placeOf finds where a hunk is in lines.
func placeOf(lines, next [][]byte, h hunk) (int, error) {
	for n := 1; n <= maxContext; n++ {
		above := next[max(0, h.at-n):h.at]
		below := next[h.at+len(h.new):]
		below = below[:min(n, len(below))]
		if len(above)+len(below) == 0 { // nothing else was in the file
			if slices.EqualFunc(lines, h.new, bytes.Equal) {
				return 0, nil
			}
			return 0, ErrDrifted
		}
		back, at := placesOf(lines, above, h.old, below), placesOf(lines, above, h.new, below)
		switch {
		case len(back) == 1 && len(at) == 0:
			return isBack, nil
		case len(at) == 1 && len(back) == 0:
			return at[0], nil
		case len(at) == 0 && len(back) == 0:
			return 0, ErrDrifted
		}
	}
	return 0, ErrDrifted
}

// placesOf gives the places where mid stands between above and below.
func placesOf(lines, above, mid, below [][]byte) []int {
	want := slices.Concat(above, mid, below)
	var out []int
	for i := 0; i+len(want) <= len(lines); i++ {
		if slices.EqualFunc(lines[i:i+len(want)], want, bytes.Equal) {
			out = append(out, i+len(above))
		}
	}
	return out
}
