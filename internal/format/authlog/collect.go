package authlog

import (
	"bytes"
	"net/netip"
	"time"

	"demine/internal/fact"
)

// foldAbove is how many failed logins of one address stand for themselves,
// maxFrom how many addresses are counted apart.
const (
	foldAbove = 50
	maxFrom   = 20_000
)

// Anchors are byte strings of which every line that Parse understands holds
// one. Other lines need not be given to a Collector.
var Anchors = []string{
	"Accepted ", "Failed ", "Invalid user ", "CMD (", " cmd ", "COMMAND=", "new user: ", "delete user ", "change user ", "password changed", "]: add '", "d: add '",
	"INSECURE MODE", "BAD FILE", "WRONG FILE", "WRONG INODE", "BAD LINK", "NOT A REGULAR", "NOT REGULAR", "CAN'T ", "SYMLINK", "ORPHAN",
	") FAILED", ") ERROR", ") Error", ") AUTH", ") bad ", "PAM ERROR", "CANNOT", "getpwnam()",
}

// Collector takes the lines of one log file and gives its events. Syslog
// writes no year: what would lie more than a day after Now is of an earlier
// year. More than 50 failed logins from one address become one event at the
// place of the first, with Count, without User, Until the last. Memory is
// linear in what is not folded.
type Collector struct {
	Now  time.Time      // no line is later
	Loc  *time.Location // nil: UTC
	Path fact.Path

	events []fact.LogEvent
	from   map[string]*attempts
}

// attempts are the failed logins of one address.
type attempts struct {
	kept, count int
	last        [40]byte // the head of the last line
	until       time.Time
	placed      bool // the folded event is out
}

// Add takes a line without its newline: its number in the file, or 0 and its
// offset where that is not known.
func (c *Collector) Add(line []byte, number int, offset int64) {
	if t := c.busy(line); t != nil {
		t.count++
		clear(t.last[copy(t.last[:], line):])
		return
	}
	e, ok := c.parse(line)
	if !ok {
		return
	}
	e.Origin, e.Offset = fact.Origin{Path: c.Path, Line: number}, offset
	c.AddEvent(e)
}

func (c *Collector) parse(line []byte) (fact.LogEvent, bool) {
	loc := c.loc()
	year := c.Now.In(loc).Year()
	e, ok := Parse(line, year, loc)
	if ok && e.Time.After(c.Now.Add(24*time.Hour)) {
		if again, ok := Parse(line, year-1, loc); ok {
			e = again
		}
	}
	if e.Clock = fact.ClockYear; len(line) > 0 && line[0] >= '0' && line[0] <= '9' {
		e.Clock = fact.ClockExact
	}
	return e, ok
}

// busy gives the address of a failed login if it is folded already: then the
// line need not be read further. Only a line whose tag is sshd's counts.
func (c *Collector) busy(line []byte) *attempts {
	tag, msg, ok := bytes.Cut(line, []byte(": "))
	if !ok || !bytes.HasPrefix(msg, []byte("Failed ")) && !bytes.HasPrefix(msg, []byte("Invalid user ")) {
		return nil
	}
	if i := bytes.LastIndexByte(tag, ' '); i < 0 || !bytes.HasPrefix(tag[i+1:], []byte("sshd")) {
		return nil
	}
	i := bytes.LastIndex(msg, []byte(" from "))
	if i < 0 {
		return nil
	}
	addr, rest, _ := bytes.Cut(msg[i+6:], []byte{' '})
	t := c.from[string(addr)]
	if t == nil || t.kept <= foldAbove || !bytes.HasPrefix(rest, []byte("port ")) {
		return nil
	}
	return t
}

// AddEvent takes an event that is known already, of a source without lines.
func (c *Collector) AddEvent(e fact.LogEvent) {
	if e.Kind != Failed && e.Kind != LoginFailed || e.From == "" {
		c.events = append(c.events, e)
		return
	}
	if c.from == nil {
		c.from = map[string]*attempts{}
	}
	key := c.key(e.From)
	t := c.from[key]
	if t == nil {
		t = &attempts{}
		c.from[key] = t
	}
	t.count += max(1, e.Count)
	if e.Time.After(t.until) {
		t.until = e.Time
	}
	// Only what may still stand for itself is kept.
	if t.kept++; t.kept <= foldAbove {
		c.events = append(c.events, e)
	}
}

// key is an address, or with many addresses its network: a botnet's failures
// are worth no more memory.
func (c *Collector) key(from string) string {
	if len(c.from) < maxFrom || c.from[from] != nil {
		return from
	}
	a, err := netip.ParseAddr(from)
	if err != nil {
		return "others"
	}
	bits := 8
	if a.Is6() {
		bits = 16
	}
	p, _ := a.Prefix(bits)
	return p.String()
}

// Len is how many events are kept so far, folded ones not yet folded.
func (c *Collector) Len() int { return len(c.events) }

// Events gives all, in the order in which they came. The Collector is empty
// after that.
func (c *Collector) Events() []fact.LogEvent {
	out := c.events[:0]
	for _, e := range c.events {
		t := c.from[c.key(e.From)]
		if e.Kind != Failed && e.Kind != LoginFailed || t == nil || t.count <= foldAbove {
			out = append(out, e)
			continue
		}
		if t.placed {
			continue
		}
		t.placed = true
		e.Count, e.User, e.Text, e.Until = t.count, "", "", c.until(t)
		out = append(out, e)
	}
	clear(c.events[len(out):])
	c.events, c.from = nil, nil
	return out
}

// until is the time of the last attempt.
func (c *Collector) until(t *attempts) time.Time {
	if t.last[0] == 0 {
		return t.until
	}
	line := bytes.TrimRight(t.last[:], "\x00")
	year := c.Now.In(c.loc()).Year()
	at, _, ok := stamp(unprioritised(line), year, c.loc())
	if ok && at.After(c.Now.Add(24*time.Hour)) {
		at, _, ok = stamp(unprioritised(line), year-1, c.loc())
	}
	if ok && at.After(t.until) {
		return at
	}
	return t.until
}

func (c *Collector) loc() *time.Location {
	if c.Loc == nil {
		return time.UTC
	}
	return c.Loc
}
