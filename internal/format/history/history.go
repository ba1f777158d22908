// Package history reads what shells keep of what was typed: bash (with times
// where HISTTIMEFORMAT is set: a line "#epoch" before the command, bash(1)),
// zsh (extended history ": epoch:duration;command", zshoptions(1)), fish
// ("- cmd:" and "  when:" lines of its YAML-like file) and ash (bare lines).
package history

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
)

// Entry is one command. Time is zero where the shell kept none.
type Entry struct {
	Line int // 1-based, of the command
	Time time.Time
	Text string // as fact.Text, at most 4 KiB
}

const maxText = 4096

// Parse reads a history file of any of these shells.
func Parse(b []byte) []Entry {
	var out []Entry
	var at time.Time
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		line = bytes.TrimRight(line, "\r")
		if t, ok := bashTime(line); ok {
			at = t
			continue
		}
		if t, ok := fishTime(line); ok {
			if len(out) > 0 && out[len(out)-1].Line == n-1 {
				out[len(out)-1].Time = t
			}
			continue
		}
		if e, ok := entry(line, n, at); ok {
			out = append(out, e)
		}
		at = time.Time{}
	}
	return out
}

func entry(line []byte, n int, at time.Time) (Entry, bool) {
	if cmd, ok := bytes.CutPrefix(line, []byte("- cmd: ")); ok {
		line = cmd
	} else if t, cmd, ok := zshTime(line); ok {
		line, at = cmd, t
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return Entry{}, false
	}
	return Entry{Line: n, Time: at, Text: fact.Text(line[:min(maxText, len(line))])}, true
}

// bashTime reads "#1600000000".
func bashTime(line []byte) (time.Time, bool) {
	s, ok := bytes.CutPrefix(line, []byte{'#'})
	if !ok {
		return time.Time{}, false
	}
	return epoch(string(s))
}

// zshTime reads ": 1600000000:0;command".
func zshTime(line []byte) (time.Time, []byte, bool) {
	s, ok := bytes.CutPrefix(line, []byte(": "))
	if !ok {
		return time.Time{}, nil, false
	}
	head, cmd, ok := bytes.Cut(s, []byte{';'})
	secs, _, ok2 := bytes.Cut(head, []byte{':'})
	t, ok3 := epoch(string(secs))
	return t, cmd, ok && ok2 && ok3
}

// fishTime reads "  when: 1600000000".
func fishTime(line []byte) (time.Time, bool) {
	s, ok := bytes.CutPrefix(line, []byte("  when: "))
	if !ok {
		return time.Time{}, false
	}
	return epoch(string(s))
}

// epoch reads seconds of this century: anything else is no time of a history.
func epoch(s string) (time.Time, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n < 946684800 || n > 4102444800 {
		return time.Time{}, false
	}
	return time.Unix(n, 0), true
}
