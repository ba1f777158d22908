// Package history reads the history files of shells: bash (HISTTIMEFORMAT
// writes a "#" and the epoch above a command; bash(1), HISTORY), zsh
// (EXTENDED_HISTORY: ": start:elapsed;command", bytes "metafied"; zsh's
// hist.c) and fish ("- cmd:" and "  when:"; fish's history_file.cpp). Which one
// it is shows line by line, so a file that two shells wrote is read too.
package history

import (
	"bytes"
	"strconv"
	"time"

	"demine/internal/fact"
)

// Entry is one command. It holds whatever was typed, secrets too: mask it
// (format/mask) before it goes anywhere.
type Entry struct {
	Line int       // 1-based, of the command
	Time time.Time // zero if the file does not say
	Text string    // a zsh or fish command may have several lines
}

// Caps: the newest commands of a file, bytes of one.
const (
	maxEntries = 100_000
	maxText    = 8 << 10
)

// Parse gives the commands in the order of the file, the newest 100,000, each
// cut at 8 KiB.
func Parse(b []byte) []Entry {
	p := parser{rest: b}
	for p.next() {
		p.one()
		if len(p.out) >= 2*maxEntries {
			p.out = append(p.out[:0:0], p.out[len(p.out)-maxEntries:]...)
		}
	}
	return p.out[max(0, len(p.out)-maxEntries):]
}

type parser struct {
	rest []byte
	line []byte
	n    int
	out  []Entry
	when time.Time // of the bash command that follows
	fish bool      // the last entry is fish's: indented lines tell more of it
}

func (p *parser) next() bool {
	if len(p.rest) == 0 {
		return false
	}
	p.line, p.rest, _ = bytes.Cut(p.rest, []byte{'\n'})
	p.line = bytes.TrimSuffix(p.line, []byte{'\r'})
	p.n++
	return true
}

func (p *parser) add(when time.Time, text []byte) {
	if len(bytes.TrimSpace(text)) > 0 {
		p.out = append(p.out, Entry{p.n, when, fact.Text(text[:min(len(text), maxText)])})
	}
}

func (p *parser) one() {
	if p.fish && bytes.HasPrefix(p.line, []byte("  ")) {
		if v, ok := bytes.CutPrefix(p.line, []byte("  when: ")); ok && len(p.out) > 0 {
			p.out[len(p.out)-1].Time, _ = epoch(v)
		}
		return
	}
	p.fish = false
	if v, ok := bytes.CutPrefix(p.line, []byte("#")); ok {
		if t, ok := epoch(v); ok {
			p.when = t
			return
		}
	}
	if v, ok := bytes.CutPrefix(p.line, []byte(": ")); ok && p.zsh(v) {
		return
	}
	if v, ok := bytes.CutPrefix(p.line, []byte("- cmd: ")); ok {
		before := len(p.out)
		p.add(time.Time{}, unfish(v))
		p.fish = len(p.out) > before
		return
	}
	// What follows has a time of its own or none: lines of the same command,
	// or of a shell that kept no times. A wrong time is worse than none.
	p.add(p.when, p.line)
	p.when = time.Time{}
}

// zsh reads "start:elapsed;command"; a backslash at the end of a line goes on
// with the next.
func (p *parser) zsh(v []byte) bool {
	head, cmd, ok := bytes.Cut(v, []byte{';'})
	start, elapsed, ok2 := bytes.Cut(head, []byte{':'})
	when, ok3 := epoch(start)
	if _, err := strconv.ParseUint(string(elapsed), 10, 64); !ok || !ok2 || !ok3 || err != nil {
		return false
	}
	n, text := p.n, append([]byte(nil), cmd...)
	for bytes.HasSuffix(text, []byte{'\\'}) && p.next() {
		text = append(append(text[:len(text)-1], '\n'), p.line...)
		if len(text) > 2*maxText { // still look at the end of the line
			text = append(text[:maxText:maxText], text[len(text)-1])
		}
	}
	last := p.n
	p.n = n
	p.add(when, unmeta(text))
	p.n = last
	return true
}

// unmeta undoes metafy() of zsh: 0x83 and a byte with bit 5 turned.
func unmeta(b []byte) []byte {
	if bytes.IndexByte(b, 0x83) < 0 {
		return b
	}
	out := b[:0:0]
	for i := 0; i < len(b); i++ {
		if b[i] == 0x83 && i+1 < len(b) {
			i++
			out = append(out, b[i]^0x20)
			continue
		}
		out = append(out, b[i])
	}
	return out
}

// unfish undoes \n and \\.
func unfish(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := b[:0:0]
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+1 < len(b) && (b[i+1] == 'n' || b[i+1] == '\\') {
			i++
			out = append(out, map[byte]byte{'n': '\n', '\\': '\\'}[b[i]])
			continue
		}
		out = append(out, b[i])
	}
	return out
}

// epoch reads seconds since 1970 that fall between 2000 and 2099: another
// number behind a # is a comment.
func epoch(b []byte) (time.Time, bool) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 || len(b) > 12 {
		return time.Time{}, false
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil || n < 946684800 || n > 4102444800 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0).UTC(), true
}
