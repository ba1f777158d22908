// Package fact holds what was seen on a host, as plain values: the kinds of
// fact, the Snapshot that carries them, and the identities by which everything
// else refers to them. It imports nothing of demine and does no I/O. A fact
// never says that something is bad: rules do.
package fact

import "time"

// SchemaVersion is the version of the Snapshot and of the JSON contract.
const SchemaVersion = 1

// Snapshot is everything that one look at a host saw. One field a kind; the
// json tag of a field is the name of its kind in rules and in Coverage.
type Snapshot struct {
	Schema    int         `json:"schema"`
	Host      HostInfo    `json:"host"`
	Taken     time.Time   `json:"taken"`
	Coverage  []Coverage  `json:"coverage"`
	Load      Load        `json:"load"`
	Kernel    Kernel      `json:"kernel"`
	Process   []Process   `json:"process,omitempty"`
	Socket    []Socket    `json:"socket,omitempty"`
	Autostart []Autostart `json:"autostart,omitempty"`
	File      []File      `json:"file,omitempty"`
	Account   []Account   `json:"account,omitempty"`
	Key       []Key       `json:"key,omitempty"`
	Firewall  []Ruleset   `json:"firewall,omitempty"`
	Service   []Service   `json:"service,omitempty"`
	Log       []LogEvent  `json:"log,omitempty"`
	Container []Container `json:"container,omitempty"`
	Flow      []Flow      `json:"flow,omitempty"`
	Module    []Module    `json:"module,omitempty"`
	Network   []Network   `json:"network,omitempty"`

	Credential []Credential `json:"credential,omitempty"`
}

// Kinds of fact, as they are named in Coverage.Sees and Observer.Sees.
const (
	KindHost      = "host"
	KindLoad      = "load"
	KindProcess   = "process"
	KindSocket    = "socket"
	KindAutostart = "autostart"
	KindFile      = "file"
	KindAccount   = "account"
	KindKey       = "key"
	KindFirewall  = "firewall"
	KindService   = "service"
	KindLog       = "log"
	KindContainer = "container"
	KindFlow      = "flow"
	KindKernel    = "kernel"
	KindModule    = "module"
	KindNetwork   = "network"

	KindCredential = "credential"
)

// HostInfo says which machine was looked at, and from where.
type HostInfo struct {
	Name      string    `json:"name"`
	OS        string    `json:"os"`     // PRETTY_NAME of os-release
	Kernel    string    `json:"kernel"` // uname release
	Arch      string    `json:"arch,omitempty"`
	Root      Path      `json:"root"` // "/" for the running host
	Boot      string    `json:"boot,omitempty"`
	BootTime  time.Time `json:"boot_time,omitzero"`
	Zone      string    `json:"zone,omitempty"`   // name of the host's zone
	Offset    int       `json:"offset,omitempty"` // seconds east of UTC, now
	CPUs      int       `json:"cpus,omitempty"`
	UID       int       `json:"uid"`                 // effective uid that looked; 0 sees most
	Container string    `json:"container,omitempty"` // set when demine itself runs in one
	PIDSpace  string    `json:"pid_space,omitempty"` // host; nested: /proc/stat is then not this namespace's; unknown
	Self      int       `json:"self,omitempty"`      // demine's own pid
	Conflict  []string  `json:"conflict,omitempty"`
}

// State is how far an Observer got.
type State string

// The states of Coverage. Absent (the thing does not exist on this host)
// counts as seen.
const (
	Seen        State = "seen"
	Absent      State = "absent"
	Partial     State = "partial"
	Unavailable State = "unavailable"
	Failed      State = "failed"
)

// Coverage is what one observer looked at: not having looked is data too.
type Coverage struct {
	Observer string   `json:"observer"`
	Sees     []string `json:"sees"` // kinds
	State    State    `json:"state"`
	Count    int      `json:"count"`          // facts added
	Gaps     []Gap    `json:"gaps,omitempty"` // what was not seen, and why
	TookUS   int64    `json:"took_us"`        // wall microseconds
}

// Complete reports whether all that could be seen was seen.
func (c Coverage) Complete() bool { return c.State == Seen || c.State == Absent }

// Gap is one thing that an observer could not see. Code is a stable word that
// the catalogues translate ("no-permission", "too-large", "not-regular",
// "refused", "unreadable", "panic", "timeout"); Detail is the system's own
// words.
type Gap struct {
	Code   string `json:"code"`
	What   string `json:"what,omitempty"` // path, pid or table
	Detail string `json:"detail,omitempty"`
	Count  int    `json:"count,omitempty"` // how many alike; 0 means one
}

// Origin is where to go and look: a file and the 1-based line in it (0: the
// whole file).
type Origin struct {
	Path Path `json:"path"`
	Line int  `json:"line"`
}

// Secret says what is known of a secret without ever holding it.
type Secret struct {
	Set   bool `json:"set"`
	Weak  bool `json:"weak,omitempty"`
	First bool `json:"first,omitempty"` // the weak one is that of the first start: it may have been changed since
}
