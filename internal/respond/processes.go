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
	Start     uint64 // clock ticks after boot, field 22 of /proc/PID/stat
	State     string
	Kernel    bool
	UID       int
	ExeID     fact.FileID // zero when it could not be read
	Exe       fact.Path
}
