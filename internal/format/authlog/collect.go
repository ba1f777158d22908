package authlog

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"demine/internal/fact"
)

// foldAbove is how many failed logins of one address stand for themselves, and
// maxFailed of all addresses together; maxFrom is how many addresses are counted
// apart, maxKept how many other events are kept, the newest.
const (
	foldAbove = 50
	maxFailed = 5_000
	maxFrom   = 20_000
	maxKept   = 10_000
)

// Anchors are byte strings of which every line that Parse understands holds
// one; the shortest decides how fast they are found. Other lines need not be given to a Collector.
var Anchors = []string{
	"Accepted ", "Failed ", "Invalid user ", ") CMD (", ": USER ", "COMMAND=", "new user: ", "delete user ", "change user ", "password changed",
	"]: add '", "d: add '", "INSECURE MODE", "BAD FILE", "WRONG FILE", "WRONG INODE", "BAD LINK", "NOT A REGULAR", "NOT REGULAR", ") CAN'T ",
	"SYMLINK", ") ORPHAN", ") FAILED", ") ERROR", ") Error", ") AUTH (", ") bad ", "PAM ERROR", ") CANNOT", "getpwnam()",
}

// Collector takes the lines of one log file and gives its events. Syslog
// writes no year: what would lie more than a day after Now is of an earlier
// year. More than 50 failed logins from one address become one event at the
// place of the first, with Count, without User, Until the last; so do those of
// fewer when there are very many addresses. A login of that address stands
// between: what failed before it and after it are two events. Memory is bounded: of the rest the
// newest events are kept, and what cron ran goes first.
type Collector struct {
	Now  time.Time      // no line is later
	Loc  *time.Location // nil: UTC
	Path fact.Path

	events []event
	failed int // of the events
	from   map[string]*attempts
}

// event is one, and of a failed login the attempts that it is of.
type event struct {
	fact.LogEvent
	of *attempts
}

// attempts are the failed logins of one address.
type attempts struct {
	kept, count int
	more        bool     // not all are kept
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
	i := lastFrom(msg)
	if i < 0 {
		return nil
	}
	addr, rest, _ := bytes.Cut(msg[i+6:], []byte{' '})
	t := c.from[string(addr)]
	if t == nil || !t.more || !bytes.HasPrefix(rest, []byte("port ")) {
		return nil
	}
	return t
}

// lastFrom is bytes.LastIndex for " from ", of which the end is near.
func lastFrom(b []byte) int {
	for i := len(b) - 6; i >= 0; i-- {
		if b[i] == ' ' && string(b[i:i+6]) == " from " {
			return i
		}
	}
	return -1
}

// AddEvent takes an event that is known already, of a source without lines.
func (c *Collector) AddEvent(e fact.LogEvent) {
	if e.Kind != Failed && e.Kind != LoginFailed || e.From == "" {
		if e.Kind == Accepted {
			c.end(e.From)
		}
		c.events = append(c.events, event{LogEvent: e})
		if len(c.events)-c.failed >= 2*maxKept {
			c.thin()
		}
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
	if t.kept == 0 || t.kept < foldAbove && c.failed < maxFailed {
		t.kept++
		c.failed++
		c.events = append(c.events, event{e, t})
		return
	}
	t.more = true
}

// end makes what fails of an address from now on another event. It does so only
// while failed logins may still stand for themselves, which bounds them.
func (c *Collector) end(from string) {
	if c.failed < maxFailed {
		delete(c.from, from)
	}
}

// thin keeps maxKept events beside failed logins.
func (c *Collector) thin() {
	over := len(c.events) - c.failed - maxKept
	for _, kind := range []string{Run, ""} {
		c.events = slices.DeleteFunc(c.events, func(e event) bool {
			drop := over > 0 && (e.Kind == kind || kind == "" && e.Kind != Failed && e.Kind != LoginFailed)
			if drop {
				over--
			}
			return drop
		})
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

// Events gives all, in the order in which they came. The Collector is empty
// after that.
func (c *Collector) Events() []fact.LogEvent {
	out := make([]fact.LogEvent, 0, len(c.events))
	for _, e := range c.events {
		t := e.of
		if t == nil || t.count <= foldAbove && !t.more {
			out = append(out, e.LogEvent)
			continue
		}
		if t.placed {
			continue
		}
		t.placed = true
		e.Count, e.User, e.Text, e.Until = t.count, "", "", c.until(t)
		out = append(out, e.LogEvent)
	}
	c.events, c.from, c.failed = nil, nil, 0
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
