package fact

// Kernel is the state of the running kernel, as far as miners change it.
type Kernel struct {
	// Tainted are the reasons for which the kernel does not answer for itself any
	// more; they stay until it starts anew (tainted-kernels.rst): forced-module,
	// cpu-out-of-spec (a program wrote registers of the CPU), out-of-tree, unsigned.
	Tainted   []string `json:"tainted,omitempty"`
	MSRWrites string   `json:"msr_writes,omitempty"` // whether programs may write registers of the CPU: on, off, default; empty: the msr module is not loaded
}

// Module is a loaded module of the kernel of which something is to be said: it
// taints, or not every view knows it.
type Module struct {
	Ref     Ref      `json:"ref"`
	Name    string   `json:"name"`
	KnownBy []string `json:"known_by"`        // list (/proc/modules), sys (/sys/module), hooks (functions of the kernel that lead into it)
	Taint   string   `json:"taint,omitempty"` // letters of tainted-kernels.rst: O out of tree, E unsigned, F forced, P proprietary
}
