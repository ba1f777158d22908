// Package auditlog reads the records of auditd (/var/log/audit/audit.log) that
// tell of an intrusion: programs that were started, connections, changes of
// accounts; and who changed the packet filter, and what sudo was asked for. Records are lines of name=value; those of one event share a serial
// number (audit-userspace: auparse; kernel/audit.c, kernel/auditsc.c).
package auditlog

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
)

// Anchors are byte strings of which every line that is of use holds one.
var Anchors = []string{
	"type=SYSCALL", "type=EXECVE", "type=SOCKADDR", "type=ADD_USER", "type=USER_CHAUTHTOK", "type=ADD_GROUP", "type=DAEMON_", "type=CONFIG_CHANGE",
	"type=USER_CMD", "type=NETFILTER_CFG", "type=PROCTITLE",
}

// Event is the records of one serial number put together.
type Event struct {
	Kind    string // audit-exec, audit-connect, audit-user, audit-config, audit-command, audit-firewall
	Time    time.Time
	Serial  uint64
	Line    int   // of its first record
	Offset  int64 // of it, where the line is not known
	PID     int
	UID     int // -1: not told
	Login   int // of who logged in first (auid); -1: nobody, or not told
	Exe     string
	Comm    string
	Argv    []string // of audit-exec; secrets are not masked
	Peer    string   // address and port of audit-connect
	Account string   // of audit-user
	Op      string   // of audit-user, audit-config and audit-firewall
	Command string   // what sudo ran, or what changed the packet filter (its first 128 bytes); secrets are not masked
}

// Collector takes lines and gives events. Records of one event follow each
// other within a few lines.
type Collector struct {
	Tell  func(Event)
	Brief bool // audit-command and audit-firewall alone: other records are passed over unread
	open  []*Event
}

// maxOpen is how many events are put together at a time.
const maxOpen = 32

// Add takes one line; number and offset say where it stands.
func (c *Collector) Add(line []byte, number int, offset int64) {
	if c.Brief && !c.brief(line) {
		return
	}
	typ, at, serial, rest, ok := head(line)
	if !ok {
		return
	}
	e := c.event(at, serial, number, offset)
	f := fields{rest}
	switch typ {
	case "SYSCALL":
		e.syscall(f)
	case "EXECVE":
		e.Kind, e.Argv = "audit-exec", argv(f)
	case "SOCKADDR":
		if p := peer(f.get("saddr")); p != "" {
			e.Kind, e.Peer = "audit-connect", p
		}
	case "ADD_USER", "USER_CHAUTHTOK", "ADD_GROUP":
		e.Kind = "audit-user"
		e.syscall(f)
		e.Op, e.Account = f.text("op"), f.text("acct")
		if e.Account == "" {
			e.Account = f.text("id")
		}
	case "USER_CMD":
		if f.get("res") == "success" {
			e.Kind = "audit-command"
			e.syscall(f)
			e.Command = f.text("cmd")
		}
	case "NETFILTER_CFG":
		e.Kind, e.Op = "audit-firewall", f.text("op")
	case "PROCTITLE":
		e.Command = f.text("proctitle")
	case "DAEMON_END", "DAEMON_ABORT", "CONFIG_CHANGE":
		e.Kind = "audit-config"
		e.syscall(f)
		if e.Op = f.text("op"); e.Op == "" {
			e.Op = strings.ToLower(typ)
		}
	}
}

// brief: the line begins an event that is told, or may go on with one that is
// not complete: what changed the packet filter is told behind that it was changed.
func (c *Collector) brief(line []byte) bool {
	i := bytes.Index(line, []byte("type="))
	if i < 0 {
		return false
	}
	for _, typ := range []string{"USER_CMD ", "NETFILTER_CFG "} {
		if bytes.HasPrefix(line[i+5:], []byte(typ)) {
			return true
		}
	}
	return slices.ContainsFunc(c.open, func(e *Event) bool { return e.Kind == "audit-firewall" && e.Command == "" })
}

// event finds the one that a record belongs to. An older one is complete when
// there is no more room.
func (c *Collector) event(at time.Time, serial uint64, number int, offset int64) *Event {
	for _, e := range c.open {
		if e.Serial == serial && e.Time.Equal(at) {
			return e
		}
	}
	if len(c.open) >= maxOpen {
		c.tell(c.open[0])
		c.open = append(c.open[:0], c.open[1:]...)
	}
	e := &Event{Time: at, Serial: serial, Line: number, Offset: offset, UID: -1, Login: -1}
	c.open = append(c.open, e)
	return e
}

func (c *Collector) tell(e *Event) {
	if e.Kind != "" && (!c.Brief || e.Kind == "audit-command" || e.Kind == "audit-firewall") {
		c.Tell(*e)
	}
}

// Close tells the events that were not told yet.
func (c *Collector) Close() {
	for _, e := range c.open {
		c.tell(e)
	}
	c.open = nil
}

// head reads "type=EXECVE msg=audit(1795374000.123:456): ", with or without a
// node before it.
func head(line []byte) (typ string, at time.Time, serial uint64, rest []byte, ok bool) {
	i := bytes.Index(line, []byte("type="))
	if i < 0 || i > 256 {
		return
	}
	word, rest, _ := bytes.Cut(line[i+5:], []byte{' '})
	rest, ok = bytes.CutPrefix(rest, []byte("msg=audit("))
	stamp, rest, ok2 := bytes.Cut(rest, []byte("):"))
	sec, num, ok3 := strings.Cut(string(stamp[:min(len(stamp), 64)]), ":")
	whole, milli, _ := strings.Cut(sec, ".")
	s, err := strconv.ParseInt(whole, 10, 64)
	serial, err2 := strconv.ParseUint(num, 10, 64)
	if !ok || !ok2 || !ok3 || err != nil || err2 != nil || len(word) > 64 || s <= 0 || s > 7258118400 {
		return "", at, 0, nil, false
	}
	ms, _ := strconv.ParseUint(milli, 10, 16)
	return string(word), time.Unix(s, int64(ms%1000)*1e6).UTC(), serial, rest, true
}

func (e *Event) syscall(f fields) {
	e.PID, _ = strconv.Atoi(f.get("pid"))
	e.UID, e.Login = number(f.get("uid")), number(f.get("auid"))
	e.Exe, e.Comm = f.text("exe"), f.text("comm")
}

// number: 4294967295 is nobody.
func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 1<<32-1 {
		return -1
	}
	return int(n)
}

// maxArgs and maxArg bound what is kept of one command.
const (
	maxArgs = 64
	maxArg  = 4 << 10
)

// argv reads a0="sh" a1="-c" a2=6375726C… (what holds spaces is in hex). Long
// arguments come in parts (a2[0]=…), of which the first is taken.
func argv(f fields) []string {
	n, _ := strconv.Atoi(f.get("argc"))
	var out []string
	for i := range min(n, maxArgs) {
		name := "a" + strconv.Itoa(i)
		v := f.text(name)
		if v == "" {
			v = f.text(name + "[0]")
		}
		out = append(out, v[:min(len(v), maxArg)])
	}
	return out
}

// fields are name=value, of which the value is bare or in double quotes.
type fields struct{ b []byte }

// get is a value as it stands, "" if there is none.
func (f fields) get(name string) string {
	v, _ := f.find(name)
	return v
}

// text is a value that programs chose: in quotes, or in hex where it holds
// anything unusual.
func (f fields) text(name string) string {
	v, quoted := f.find(name)
	if !quoted && len(v)%2 == 0 {
		if b, err := hex.DecodeString(v); err == nil {
			return fact.Text(bytes.TrimRight(bytes.ReplaceAll(b, []byte{0}, []byte{' '}), " "))
		}
	}
	if v == "(null)" || v == "?" {
		return ""
	}
	return fact.Text([]byte(v))
}

func (f fields) find(name string) (value string, quoted bool) {
	key := []byte(name + "=")
	for b := f.b; ; {
		i := bytes.Index(b, key)
		if i < 0 {
			return "", false
		}
		v := b[i+len(key):]
		if i > 0 && b[i-1] != ' ' && b[i-1] != '\'' {
			b = v
			continue
		}
		if len(v) > 0 && v[0] == '"' {
			v, _, _ = bytes.Cut(v[1:], []byte{'"'})
			return string(v), true
		}
		if n := bytes.IndexAny(v, " '\x1d"); n >= 0 {
			v = v[:n]
		}
		return string(v), false
	}
}

// peer reads a struct sockaddr in hex: of IPv4 and IPv6, "" for others.
func peer(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) < 8 {
		return ""
	}
	port := uint16(b[2])<<8 | uint16(b[3])
	const inet, inet6 = 2, 10
	switch {
	case b[0] == inet && b[1] == 0:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port).String()
	case b[0] == inet6 && b[1] == 0 && len(b) >= 24:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port).String()
	}
	return ""
}
