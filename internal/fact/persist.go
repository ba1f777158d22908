package fact

import "time"

// Autostart is one thing that starts a program by itself: a crontab line, a
// unit, a timer, a line of rc.local, an init script.
type Autostart struct {
	Ref       Ref       `json:"ref"`
	Kind      string    `json:"kind"` // cron, periodic, unit, timer, rc, init
	Origin    Origin    `json:"origin"`
	Name      string    `json:"name,omitempty"` // unit or script name
	Text      string    `json:"text,omitempty"` // the line as it stands
	User      string    `json:"user,omitempty"`
	Schedule  string    `json:"schedule,omitempty"` // five fields or @nick; OnCalendar of a timer
	Dialect   string    `json:"dialect,omitempty"`  // debian, cronie, busybox
	Command   string    `json:"command,omitempty"`  // secrets masked
	Stdin     string    `json:"stdin,omitempty"`    // what follows a % in a crontab line
	Shell     Shell     `json:"shell"`              // what the command does, from its words
	Active    bool      `json:"active"`             // its daemon would run it
	Dormant   string    `json:"dormant,omitempty"`  // code of the reason why not: bad-line, bad-mode, bad-owner, bad-name, no-daemon, disabled, not-executable, is-link
	DormantAt Origin    `json:"dormant_at,omitzero"`
	RDB       *RDBMark  `json:"rdb,omitempty"` // the file is a Redis dump
	File      Ref       `json:"file,omitempty"`
	Targets   []Ref     `json:"targets,omitempty"` // files that the command names or runs
	Mode      uint32    `json:"mode,omitempty"`    // of the file
	Modified  time.Time `json:"modified,omitzero"`
	Changed   time.Time `json:"changed,omitzero"`
	Package   string    `json:"package,omitempty"` // that owns the file
	Gaps      []string  `json:"gaps,omitempty"`
}

// Shell is what the words of a shell command line say that it would do; every
// field is a fact about the text, none a judgement. See format/shell.
type Shell struct {
	Programs   []string `json:"programs,omitempty"` // first words of its simple commands
	URLs       []string `json:"urls,omitempty"`
	Paths      []Path   `json:"paths,omitempty"`       // absolute paths that are named
	Runs       []Path   `json:"runs,omitempty"`        // absolute paths that are run, also by an interpreter
	Writes     []Path   `json:"writes,omitempty"`      // targets of > and >>, -o, -O, tee
	FetchExec  bool     `json:"fetch_exec,omitempty"`  // what a fetcher prints or stores is run
	Fetches    bool     `json:"fetches,omitempty"`     // it names a fetcher
	DecodeExec bool     `json:"decode_exec,omitempty"` // what a decoder prints is run
	DevTCP     bool     `json:"dev_tcp,omitempty"`     // /dev/tcp or /dev/udp
	Detaches   bool     `json:"detaches,omitempty"`    // nohup, setsid, & at the end
	Preload    []Path   `json:"preload,omitempty"`     // LD_PRELOAD=
}

// RDBMark is the header of a Redis dump found where no dump belongs.
type RDBMark struct {
	Version int       `json:"version"`         // of the RDB format
	Redis   string    `json:"redis,omitempty"` // aux field redis-ver
	Saved   time.Time `json:"saved,omitzero"`  // aux field ctime: the second of the write
	Key     string    `json:"key,omitempty"`   // the key whose value holds the text
}

// File is a file that something points at. Only such files are in a Snapshot.
type File struct {
	Ref        Ref         `json:"ref"`
	Path       Path        `json:"path"`
	ID         FileID      `json:"id,omitzero"`
	Missing    bool        `json:"missing,omitempty"`
	Deleted    bool        `json:"deleted,omitempty"` // only a process still holds it
	Type       string      `json:"type,omitempty"`    // regular, dir, link, fifo, socket, device
	Mode       uint32      `json:"mode,omitempty"`    // permission and set-id bits
	UID        int         `json:"uid"`
	GID        int         `json:"gid"`
	Owner      string      `json:"owner,omitempty"`
	Size       int64       `json:"size"`
	Modified   time.Time   `json:"modified,omitzero"`
	Changed    time.Time   `json:"changed,omitzero"`
	Born       time.Time   `json:"born,omitzero"`
	Flags      []string    `json:"flags,omitempty"`       // immutable, append
	WritableBy []string    `json:"writable_by,omitempty"` // who besides root can write it or a parent: user names, or "everyone"
	Format     string      `json:"format,omitempty"`      // elf, script, text, rdb, data
	Package    string      `json:"package,omitempty"`     // that owns the path
	Verified   string      `json:"verified,omitempty"`    // same, changed, or empty: not compared
	SHA256     string      `json:"sha256,omitempty"`      // of the whole file, where what was found in it asks for it
	Scanned    string      `json:"scanned,omitempty"`     // whole, part: how much was searched for patterns; empty: not
	Patterns   []Pattern   `json:"patterns,omitempty"`
	Indicators []Indicator `json:"indicators,omitempty"`
	ELF        *ELF        `json:"elf,omitempty"`
	Shell      Shell       `json:"shell"`             // of a script
	Pointed    []string    `json:"pointed,omitempty"` // kinds of fact that point at it
	Mapped     *Mapped     `json:"mapped,omitempty"`  // of a library that runs in services which do not ask for it
	Gaps       []string    `json:"gaps,omitempty"`
}

// Mapped counts services, one program each, of those whose memory maps were
// looked at.
type Mapped struct {
	Services int `json:"services"` // that run the library, and neither they nor their libraries ask the loader for it
	Of       int `json:"of"`       // that were looked at
}

// Pattern is one known pattern found in a file or in memory.
type Pattern struct {
	ID       string `json:"id"`
	Strength string `json:"strength"` // conclusive, strong, weak
	Offset   int64  `json:"offset"`   // in memory its address
	Count    int    `json:"count"`
	Where    string `json:"where,omitempty"` // in memory: one of WhereCode, WhereFixed, WhereData
}

// Where in memory a pattern was found; of several places the first of these.
const (
	WhereCode  = "code"  // it may be executed
	WhereFixed = "fixed" // it may not be written: constants of code
	WhereData  = "data"  // it may be written: also what was only read from somewhere
)

// Account is one line of the account database.
type Account struct {
	Ref      Ref    `json:"ref"`
	Name     string `json:"name"`
	UID      int    `json:"uid"`
	GID      int    `json:"gid"`
	Home     Path   `json:"home"`
	Shell    Path   `json:"shell"`
	Login    bool   `json:"login"`              // the shell lets in
	Password string `json:"password,omitempty"` // set, empty, locked, in-passwd, unknown
	Origin   Origin `json:"origin"`
}

// Key is one public key that may log in to an account.
type Key struct {
	Ref         Ref       `json:"ref"`
	Account     string    `json:"account"`
	Type        string    `json:"type"`
	Fingerprint string    `json:"fingerprint"` // SHA256:…
	Comment     string    `json:"comment,omitempty"`
	Options     []string  `json:"options,omitempty"`
	Origin      Origin    `json:"origin"`
	Mode        uint32    `json:"mode,omitempty"`
	Modified    time.Time `json:"modified,omitzero"`
	RDB         *RDBMark  `json:"rdb,omitempty"`  // the file is a Redis dump
	Used        []KeyUse  `json:"used,omitempty"` // newest first, capped
	UsesSeen    int       `json:"uses_seen,omitempty"`
	FirstUsed   time.Time `json:"first_used,omitzero"`   // as far back as the logs go
	Provisioned string    `json:"provisioned,omitempty"` // what gave it to the host at its start: cloud-init
}

// KeyUse is one login with a key, as the log tells it.
type KeyUse struct {
	Time   time.Time `json:"time"`
	From   string    `json:"from"`
	Origin Origin    `json:"origin"`
}

// Service is a program that demine knows how to read the settings of.
type Service struct {
	Ref      Ref       `json:"ref"`
	Name     string    `json:"name"` // redis, sshd
	Process  Ref       `json:"process,omitempty"`
	Config   Path      `json:"config,omitempty"`
	Ports    []int     `json:"ports,omitempty"`
	Auth     string    `json:"auth"`              // none, password, acl, key, unknown
	AuthBy   string    `json:"auth_by,omitempty"` // how that is known: asked, config, argv
	AuthAt   []int     `json:"auth_at,omitempty"` // the Ports that Auth is true of: a server can have others, for its own kind
	Gives    string    `json:"gives,omitempty"`   // what whoever gets in has: commands (runs programs of their own here), data, files
	Version  string    `json:"version,omitempty"`
	Settings []Setting `json:"settings,omitempty"`
	Secret   Secret    `json:"secret"`
	Gaps     []string  `json:"gaps,omitempty"`
}

// Setting is one setting in force, with the place that set it and what the
// package ships.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default,omitempty"` // built in, or as the package ships it
	From    string `json:"from"`              // running, argv, env, file, default
	Origin  Origin `json:"origin,omitzero"`
}

// Setting gives the named setting, or the zero Setting.
func (s Service) Setting(name string) Setting {
	for _, x := range s.Settings {
		if x.Name == name {
			return x
		}
	}
	return Setting{}
}

// LogEvent is one thing that a log or a history says happened. Its kinds:
//
//	ssh-accepted, ssh-failed  sshd; more than 50 failures of one address are one event with Count
//	login, login-failed       wtmp, btmp (the latter folded by address as above)
//	sudo, cron-run, cron-refused, history
//	lease-told                what demine told the system log of a port lease
//	user-added, user-changed  useradd, usermod, passwd: User is whom it is about
//	unit-started, clock-changed  systemd, from the journal
//	web-exploit, java-lookup, deserialisation   a request or a line that carries an attack on a service;
//	                          it tells that it was tried, not that it worked
//	redis-replica, redis-module, redis-attack, redis-saved, redis-command (of an AOF file, without a time)
//	postgres-program, mysql-udf, mysql-file
//	service-shell             a shell that a service started did not find what it was to run
//	package-installed, package-removed   Text is what
//	audit-exec, audit-connect, audit-user, audit-config   auditd
//	audit-command, audit-firewall   what sudo ran, and what changed the packet filter; User is who had logged in
//	log-wiped                 Method says how: empty, null-link, zeroed, removed,
//	                          deleted (a process still writes it)
//	log-gap                   Method says of what: rotation, sequence, time
type LogEvent struct {
	Kind     string    `json:"kind"`
	Time     time.Time `json:"time,omitzero"`
	Clock    Clock     `json:"clock,omitempty"` // how far Time can be trusted
	Until    time.Time `json:"until,omitzero"`  // of the last of several, or of a gap's end
	Service  string    `json:"service,omitempty"`
	User     string    `json:"user,omitempty"`
	From     string    `json:"from,omitempty"` // address
	Method   string    `json:"method,omitempty"`
	Marker   string    `json:"marker,omitempty"`   // the one of patterns/logs that was found
	Strength string    `json:"strength,omitempty"` // of the marker: strong, weak
	Status   int       `json:"status,omitempty"`   // that a web server answered
	Key      string    `json:"key,omitempty"`      // fingerprint
	PID      int       `json:"pid,omitempty"`
	Text     string    `json:"text,omitempty"`
	Shell    *Shell    `json:"shell,omitempty"`
	Origin   Origin    `json:"origin"`
	Offset   int64     `json:"offset,omitempty"` // byte in the file, where its head was skipped and the line is not known
	Count    int       `json:"count,omitempty"`  // alike events folded into one
	By       string    `json:"by,omitempty"`     // the observer that read it
}

// Clock says how far the time of a LogEvent can be trusted, beside what an
// intruder wrote.
type Clock string

// Kinds of Clock.
const (
	ClockExact   Clock = "exact"   // the log says the instant
	ClockZone    Clock = "zone"    // the log says no zone: that of the host now is taken
	ClockYear    Clock = "year"    // neither zone nor year: the last year that is not in the future
	ClockStepped Clock = "stepped" // the host's clock was set between then and the end of that boot
	ClockNear    Clock = "near"    // the line has no time: that of a line before it, or of the file
	ClockNone    Clock = "none"    // no time is known
)
