package fact

import "time"

// FileID is the identity of a file while it exists.
type FileID struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

// Process is one process as the kernel describes it. Times are CPU seconds;
// percents are of one CPU (200 is two CPUs busy).
type Process struct {
	Ref        Ref       `json:"ref"`
	PID        int       `json:"pid"`
	PPID       int       `json:"ppid"`
	Comm       string    `json:"comm"`
	State      string    `json:"state"` // R S D Z T …
	Started    time.Time `json:"started"`
	StartTicks uint64    `json:"start_ticks"`
	UID        int       `json:"uid"` // effective
	RUID       int       `json:"ruid"`
	User       string    `json:"user,omitempty"` // name in the namespace of demine
	Exe        Path      `json:"exe,omitempty"`  // without " (deleted)"
	ExeDeleted bool      `json:"exe_deleted,omitempty"`
	ExeID      FileID    `json:"exe_id,omitzero"`
	ExeFile    Ref       `json:"exe_file,omitempty"` // the File of the image that runs
	Argv       []string  `json:"argv,omitempty"`     // secrets masked
	Cwd        Path      `json:"cwd,omitempty"`
	Cgroup     Path      `json:"cgroup,omitempty"`
	Unit       string    `json:"unit,omitempty"`      // systemd unit of the cgroup
	Session    string    `json:"session,omitempty"`   // logind session of the cgroup
	Container  string    `json:"container,omitempty"` // container id of the cgroup
	Kernel     bool      `json:"kernel,omitempty"`    // PF_KTHREAD: a real kernel thread
	Threads    int       `json:"threads,omitempty"`
	TTY        int       `json:"tty,omitempty"`
	Nice       int       `json:"nice,omitempty"`
	Flags      uint32    `json:"flags,omitempty"`
	RSS        int64     `json:"rss,omitempty"`          // bytes
	CPU        float64   `json:"cpu"`                    // seconds of its own over its life
	Children   float64   `json:"children_cpu,omitempty"` // seconds of its children that ended and were waited for
	CPULife    float64   `json:"cpu_life"`               // percent over its life
	CPUNow     float64   `json:"cpu_now"`                // percent over the sample; -1 when there was none
	Wait       float64   `json:"wait,omitempty"`         // seconds its threads waited for a CPU, over their lives
	WaitNow    float64   `json:"wait_now"`               // percent of the sample that a runnable thread waited, summed over threads; -1 when unknown
	BusyNow    float64   `json:"busy_now"`               // waiting / (waiting + running) in the sample, percent; -1 when unknown
	NetNS      uint64    `json:"netns,omitempty"`
	Sockets    []uint64  `json:"sockets,omitempty"`   // inodes of the sockets that it holds open
	Hidden     []string  `json:"hidden,omitempty"`    // how it is kept from sight: mount (something is mounted over its folder), list (its folder is not listed)
	KnownBy    []string  `json:"known_by,omitempty"`  // of a hidden one, the views that know it: number, cgroup, child, mount, bpf (a walk over tasks), taskstats
	GPU        *GPU      `json:"gpu,omitempty"`       // the graphics cards that it holds open
	MSR        bool      `json:"msr,omitempty"`       // it holds registers of the CPU open: /dev/cpu/N/msr
	GroupCPU   float64   `json:"group_cpu,omitempty"` // seconds that all used who are or were in its cgroup; 0: not known
	Shape      *Shape    `json:"shape,omitempty"`
	Memory     *Memory   `json:"memory,omitempty"`
	Gaps       []string  `json:"gaps,omitempty"` // fields that could not be read
}

// SSHD reports whether it is named as those processes of sshd are that hold a
// connection.
func (p *Process) SSHD() bool { return p.Comm == "sshd" || p.Comm == "sshd-session" }

// GPU is how a process uses graphics cards.
type GPU struct {
	Devices []Path  `json:"devices"`           // that it holds open, each once
	Driver  string  `json:"driver,omitempty"`  // amdgpu, i915, xe …; empty: none tells, as NVIDIA's own
	Seconds float64 `json:"seconds,omitempty"` // of all engines that it used; 0 where the driver does not tell
}

// Load is what the machine as a whole is doing. Percents of CPUNow* are of all
// CPUs together (100 is the whole machine); a field of -1 is unknown.
type Load struct {
	Avg       [3]float64 `json:"avg"` // 1, 5, 15 minutes
	Running   int        `json:"running"`
	Total     int        `json:"total"`
	SampleMS  int        `json:"sample_ms"`
	User      float64    `json:"user"` // with nice
	System    float64    `json:"system"`
	IOWait    float64    `json:"iowait"`
	Steal     float64    `json:"steal"`
	IRQ       float64    `json:"irq"`
	Idle      float64    `json:"idle"`
	PerCPU    []CPUUse   `json:"per_cpu,omitempty"`
	PSI       []PSI      `json:"psi,omitempty"`
	MemTotal  int64      `json:"mem_total,omitempty"` // bytes
	MemAvail  int64      `json:"mem_avail,omitempty"`
	SwapTotal int64      `json:"swap_total,omitempty"`
	SwapFree  int64      `json:"swap_free,omitempty"`
	SwapInOut float64    `json:"swap_in_out,omitempty"` // pages a second in the sample
	Brief     float64    `json:"brief"`                 // used in the sample by processes that began or ended in it
	Blocked   int        `json:"blocked"`               // tasks in D state
	Unseen    float64    `json:"unseen"`                // counted by the kernel and used by no process that was seen, nor by Brief; -1 when it cannot be known
}

// CPUUse is one CPU over the sample, in percent of it. Busy is user, system
// and interrupts together.
type CPUUse struct {
	CPU    int     `json:"cpu"`
	Busy   float64 `json:"busy"`
	User   float64 `json:"user"`
	System float64 `json:"system"`
	IOWait float64 `json:"iowait"`
	Steal  float64 `json:"steal"`
	IRQ    float64 `json:"irq"`
}

// PSI is one line of /proc/pressure: share of time in which some or all tasks
// waited for the resource (Documentation/accounting/psi.rst).
type PSI struct {
	Resource string  `json:"resource"` // cpu, io, memory
	Kind     string  `json:"kind"`     // some, full
	Avg10    float64 `json:"avg10"`
	Avg60    float64 `json:"avg60"`
	Avg300   float64 `json:"avg300"`
}
