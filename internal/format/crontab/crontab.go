// Package crontab reads crontab files the way the cron daemons do: Debian's
// cron 3.0pl1-162 (entry.c, env.c, user.c, do_command.c with Debian's patches),
// cronie (the same files; 1.6, and where versions differ, what the most
// tolerant of them runs) and BusyBox 1.35 (miscutils/crond.c,
// libbb/parse_config.c). The readers follow that C code byte by byte, because
// what an intruder's line in the middle of binary data does depends on it: a
// NUL ends a command, a bad line ends only itself in cronie and the whole file
// in Debian, a '#' ends a command in BusyBox.
package crontab

import "demine/internal/fact"

// Dialect says whose rules hold.
type Dialect int

// The dialects.
const (
	Debian Dialect = iota
	Cronie
	Busybox
)

// String is the name as fact.Autostart.Dialect has it.
func (d Dialect) String() string {
	switch d {
	case Debian:
		return "debian"
	case Cronie:
		return "cronie"
	case Busybox:
		return "busybox"
	}
	return "unknown"
}

// Options are what is known of the file besides its bytes. System says that a
// user column follows the schedule (/etc/crontab, cron.d); BusyBox has no such
// files and ignores it.
type Options struct {
	Dialect Dialect
	System  bool
}

// Caps on what one file can yield. BusyBox reads 65,534 lines of root's file
// (MAXLINES); the same bound serves the others, far above what they accept.
const (
	maxJobs = 65535
	maxBad  = 100
	maxText = 200 // bytes of Bad.Text
)

// File is what a crontab says.
type File struct {
	Jobs []Job
	Env  []Assign
	Bad  []Bad // at most 100, in the order of the file
	// Ignored is the 1-based line for which the dialect ignores the whole
	// file (Debian only), 0 for none. Jobs still has every line that would
	// run but for that. Users that do not exist do the same to Debian's cron,
	// which bytes cannot tell.
	Ignored int
}

// Job is one line that the daemon would run. Text is the physical line without
// its newline, as it stands. Command and Stdin have the %-handling done.
type Job struct {
	Line                 int // 1-based
	Text                 string
	Schedule             Schedule
	User, Command, Stdin string
}

// Assign is one setting of the environment of the lines below it.
type Assign struct {
	Line        int
	Name, Value string
}

// Bad is one line that is neither. Why has the words of the daemon.
type Bad struct {
	Line      int
	Text, Why string // Text is at most 200 bytes
}

// Parse reads a crontab. It never fails: what cannot be understood is in Bad
// and Ignored. Time is linear in b, memory in b and the caps above.
func Parse(b []byte, o Options) File {
	if o.Dialect == Busybox {
		return parseBusybox(b)
	}
	return parseVixie(b, o)
}

func (f *File) bad(line int, text []byte, why string) {
	if len(f.Bad) < maxBad {
		f.Bad = append(f.Bad, Bad{line, clip(text), why})
	}
}

// clip is text for people, cut so that also its text form stays under the cap.
func clip(b []byte) string {
	if len(b) > maxText {
		b = b[:maxText]
	}
	s := fact.Text(b)
	for len(s) > maxText { // \xNN made it longer: drop bytes from the end
		b = b[:len(b)-(len(s)-maxText+3)/4]
		s = fact.Text(b)
	}
	return s
}
