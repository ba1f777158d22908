package fact

import "time"

// Shape is what the threads of a process do in a short sample. It is read of
// those worth a look.
type Shape struct {
	Busy     int      `json:"busy"`             // threads that used at least half of the time that any of them used
	Pinned   int      `json:"pinned"`           // of the busy ones, those that may run on one CPU only
	Even     bool     `json:"even"`             // two or more are busy, and none of them used a tenth more than another
	Switches float64  `json:"switches"`         // voluntary context switches a second of the busy ones, their median
	Ready    float64  `json:"ready"`            // percent of the sample in which the busy ones ran or waited for a CPU, their median
	Policy   string   `json:"policy,omitempty"` // of the busy ones: other, batch, idle, fifo, rr, deadline (sched(7)); mixed
	Nice     int      `json:"nice"`             // of the busy ones, the highest
	SampleMS int      `json:"sample_ms"`        // how long the sample was
	Gaps     []string `json:"gaps,omitempty"`
}

// Memory is what the memory of a process holds. It is read of those worth a
// look, within bounds, without stopping them.
type Memory struct {
	Scanned      string      `json:"scanned,omitempty"` // whole, part: how much of it was searched; empty: nothing
	Bytes        int64       `json:"bytes"`             // that were searched
	Patterns     []Pattern   `json:"patterns,omitempty"`
	Indicators   []Indicator `json:"indicators,omitempty"`
	Code         int64       `json:"code,omitempty"`          // bytes without a file that may be executed
	CodeWritable int64       `json:"code_writable,omitempty"` // of them, those that may also be written
	Huge         int64       `json:"huge,omitempty"`          // bytes of huge pages (hugetlbfs)
	Dataset      bool        `json:"dataset,omitempty"`       // one mapping has the size of RandomX's dataset
	Cache        bool        `json:"cache,omitempty"`         // one has that of its cache
	Scratchpads  int         `json:"scratchpads,omitempty"`   // mappings that have that of its scratchpads
	Libraries    []Path      `json:"libraries,omitempty"`     // mapped programs and libraries that lie where none are installed
}

// Indicator is something that tells of one miner from another: whom it mines
// for, and where. It is public by its nature, not a secret of the host.
type Indicator struct {
	Kind    string `json:"kind"`           // wallet, pool
	Coin    string `json:"coin,omitempty"` // XMR, BTC, ETH, RVN …
	Value   string `json:"value"`
	Checked bool   `json:"checked,omitempty"` // a wallet whose checksum is right
	Offset  int64  `json:"offset,omitempty"`
}

// ELF is what the headers of a program say, as far as it tells something.
type ELF struct {
	Static   bool     `json:"static,omitempty"`
	Stripped bool     `json:"stripped,omitempty"`
	UPX      bool     `json:"upx,omitempty"`      // a mark of the packer UPX or of its clones
	Sections int      `json:"sections"`           // as claimed; packers leave none
	Entropy  float64  `json:"entropy,omitempty"`  // bits a byte of its code; 0: not measured
	Inflates bool     `json:"inflates,omitempty"` // much more memory is asked for than the file has: what packers do
	Odd      []string `json:"odd,omitempty"`      // see format/elf
	Replaces []string `json:"replaces,omitempty"` // of a preloaded or mapped library: the C library's functions that list folders, which it defines itself
}

// Packed reports whether what lies on disk is not what runs: the mark of a
// packer, bytes without order, or room for much more and no sections. Compiled
// code has about 6 bits a byte, what is compressed or encrypted close to 8.
func (e *ELF) Packed() bool {
	const disorder = 7.2
	return e != nil && (e.UPX || e.Entropy > disorder || e.Inflates && e.Sections == 0)
}

// Flow is a conversation of the Stratum mining protocol that was heard on the
// wire.
type Flow struct {
	Ref        Ref         `json:"ref"`
	Socket     Ref         `json:"socket"`
	Process    Ref         `json:"process,omitempty"`
	Dialect    string      `json:"dialect"`        // monero, bitcoin, ethereum, ethproxy …
	Role       string      `json:"role,omitempty"` // client: this host mines, or passes on to one who does; server: others mine through it; empty: not told
	Methods    []string    `json:"methods"`        // in the order in which they were first heard
	Sent       int         `json:"sent"`           // messages of this host
	Received   int         `json:"received"`
	Peer       string      `json:"peer"`
	First      time.Time   `json:"first"`
	Last       time.Time   `json:"last"`
	Indicators []Indicator `json:"indicators,omitempty"`
}

// Container is one that runs on this host, as the state files of its runtime
// tell.
type Container struct {
	Ref        Ref       `json:"ref"`
	ID         string    `json:"id"`
	Name       string    `json:"name,omitempty"`
	Runtime    string    `json:"runtime"` // docker, containerd, podman
	Image      string    `json:"image,omitempty"`
	ImageID    string    `json:"image_id,omitempty"`
	Project    string    `json:"project,omitempty"` // of docker compose
	Service    string    `json:"service,omitempty"` // in the project
	Pod        string    `json:"pod,omitempty"`     // namespace/name, of Kubernetes
	Restart    string    `json:"restart,omitempty"` // policy: no, always, on-failure, unless-stopped
	Privileged bool      `json:"privileged,omitempty"`
	HostPID    bool      `json:"host_pid,omitempty"`
	HostNet    bool      `json:"host_net,omitempty"`
	PID        int       `json:"pid,omitempty"` // of its first process
	Running    bool      `json:"running"`
	Argv       []string  `json:"argv,omitempty"` // secrets masked
	Root       Path      `json:"root,omitempty"` // where its file system lies on this host
	Mounts     []Path    `json:"mounts,omitempty"`
	Created    time.Time `json:"created,omitzero"`
	Started    time.Time `json:"started,omitzero"`
	Origin     Origin    `json:"origin"`
}
