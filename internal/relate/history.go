package relate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
)

// Opening is a command that opened a port, by whom and when. Time is zero where
// what tells of it has none.
type Opening struct {
	Time   time.Time   `json:"time,omitzero"`
	User   string      `json:"user,omitempty"` // who typed it: of sudo and auditd who logged in, not whom it ran as
	Text   string      `json:"text"`
	Source string      `json:"source"` // history, sudo, audit
	Origin fact.Origin `json:"origin"`
}

// told are the kinds of LogEvent whose Text is a command, and what tells it.
var told = map[string]string{
	"history": "history", "sudo": "sudo", "audit-command": "audit", "audit-firewall": "audit", "audit-exec": "audit",
}

// trust orders sources of one command: what its own user can write comes last,
// and sudo says who gave it where the kernel saw only the program.
var trust = []string{"history", "audit", "sudo"}

// OpensPort reports whether a line of a shell history, of sudo or of auditd is a
// command that lets somebody reach a port through the packet filter.
func OpensPort(l *fact.LogEvent, port int) bool { return told[l.Kind] != "" && opens(l.Text, port) }

// Openings are the commands that let somebody reach a port, oldest first, those
// without a time before; one that several logs tell of is there once.
func (x *Index) Openings(port int) []Opening {
	return x.commands(func(l *fact.LogEvent) bool { return OpensPort(l, port) })
}

func (x *Index) commands(which func(*fact.LogEvent) bool) (out []Opening) {
	for i := range x.S.Log {
		if l := &x.S.Log[i]; which(l) {
			out = append(out, Opening{l.Time, l.User, l.Text, told[l.Kind], l.Origin})
		}
	}
	slices.SortStableFunc(out, func(a, b Opening) int { return b.Time.Compare(a.Time) }) // dated ones take up those without a time
	var once []Opening
	for _, o := range out {
		i := slices.IndexFunc(once, func(other Opening) bool { return same(o, other) })
		switch {
		case i < 0:
			once = append(once, o)
		case !o.Time.IsZero() && slices.Index(trust, o.Source) > slices.Index(trust, once[i].Source):
			once[i] = o
		}
	}
	slices.Reverse(once)
	return once
}

// sameTime is how far apart logs may be that tell of one command: sudo's line is
// written before, a history's when it was typed.
const sameTime = 5 * time.Second

// same: two logs tell of one command.
func same(a, b Opening) bool {
	near := a.Time.IsZero() || b.Time.IsZero() || a.Time.Sub(b.Time).Abs() <= sameTime
	return near && bare(a.Text) == bare(b.Text)
}

// bare is a command as every log has it: without sudo before it, the folder of
// its program, and quotes, which only the shell saw.
func bare(text string) string {
	words := strings.Fields(unquote.Replace(text))
	for len(words) > 1 && (words[0] == "sudo" || strings.HasPrefix(words[0], "-")) {
		words = words[1:]
	}
	if len(words) > 0 {
		words[0] = words[0][strings.LastIndexByte(words[0], '/')+1:]
	}
	return strings.Join(words, " ")
}

var unquote = strings.NewReplacer(`"`, "", "'", "", `\`, "")

// opened are the commands that let somebody reach a listener, oldest first; of
// a container also those that published the port.
func (x *Index) opened(e *Exposure) []Opening {
	if e.From == "local" || e.From == "nobody" {
		return nil
	}
	out := x.commands(func(l *fact.LogEvent) bool { return OpensPort(l, e.Port) || publishes(l, e) })
	return out[max(0, len(out)-8):]
}

// publishes reports whether a command runs a container with a published port of
// a listener.
func publishes(l *fact.LogEvent, e *Exposure) bool {
	if told[l.Kind] == "" || len(e.Published) == 0 || !strings.Contains(l.Text, " -p") && !strings.Contains(l.Text, "--publish") {
		return false
	}
	return (strings.Contains(l.Text, "docker ") || strings.Contains(l.Text, "podman ")) && slices.ContainsFunc(e.Published, func(at string) bool {
		return mentions(l.Text, at[strings.LastIndexByte(at, ':')+1:]+":"+fmt.Sprint(e.Port))
	})
}

// mentions reports whether a number stands in the text by itself.
func mentions(text, number string) bool {
	for {
		i := strings.Index(text, number)
		if i < 0 {
			return false
		}
		rest := text[i+len(number):]
		if (i == 0 || !digit(text[i-1])) && (rest == "" || !digit(rest[0])) {
			return true
		}
		text = rest
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
