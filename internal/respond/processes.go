package respond

import (
	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// Processes signals processes. A process is meant by pid and start time
// together: a pid that was given to another process is ErrGone.
type Processes interface {
	// Signal sends a signal to exactly that process. It checks the identity
	// through a descriptor of the process, so that nothing else can be hit.
	Signal(p Proc, sig unix.Signal) error
}

// Proc is what a response needs to know of a process.
type Proc struct {
	PID, PPID int
	Session   int    // pid of the leader of its session; a fork inherits it
	Start     uint64 // clock ticks after boot, field 22 of /proc/PID/stat
	Comm      string // any bytes, at most 15: the process chooses them
	State     byte   // as in /proc/PID/stat: R S D Z T t …
	Kernel    bool
	UID       int         // owner of /proc/PID: the effective user, root for what cannot be dumped
	ExeID     fact.FileID // zero when it could not be read
	Exe       fact.Path   // without " (deleted)"
}

// id tells a process from all others of this boot.
func (p Proc) id() procID { return procID{p.PID, p.Start} }

// dead: it has ended and only waits to be collected.
func (p Proc) dead() bool { return p.State == 'Z' || p.State == 'X' || p.State == 'x' }

// halted: it does not run until somebody continues it.
func (p Proc) halted() bool { return p.State == 'T' || p.State == 't' }

// procID is a process over pid reuse.
type procID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}
