package observe

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
)

var kernel = &Observer{
	Name: "kernel",
	Doc: "what taints the running kernel, whether programs may write registers of the CPU, and its modules by three views: " +
		"the list, /sys/module, and the functions that lead into them",
	Sees: []string{fact.KindKernel, fact.KindModule},
	Reads: []string{
		"/proc/modules", "/proc/sys/kernel/tainted", "/sys/module", "/sys/module/**", "/sys/kernel/tracing/enabled_functions",
		"/sys/kernel/debug/tracing/enabled_functions",
	},
	See: seeKernel,
}

// taints are the bits of /proc/sys/kernel/tainted that say who is in the kernel
// or what was done to the CPU (tainted-kernels.rst). XMRig's writes to registers
// leave their bit since Linux 5.10, whether or not the log was told.
var taints = []struct {
	bit  uint
	word string
}{{1, "forced-module"}, {2, "cpu-out-of-spec"}, {12, "out-of-tree"}, {13, "unsigned"}}

func seeKernel(_ context.Context, v *View, _ *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	b, _, err := v.ReadFile("/proc/sys/kernel/tainted", 64)
	if err != nil {
		return p, err
	}
	k := fact.Kernel{}
	bits, _ := proc.Uint(bytes.TrimSpace(b))
	for _, t := range taints {
		if bits&(1<<t.bit) != 0 {
			k.Tainted = append(k.Tainted, t.word)
		}
	}
	if b, _, err := v.ReadFile("/sys/module/msr/parameters/allow_writes", 64); err == nil {
		k.MSRWrites = strings.TrimSpace(fact.Text(b))
	}
	p.Kernel = &k
	p.modules(v)
	return p, nil
}

// modules compares the views twice: one that is being loaded or removed is in
// some of them only for a moment. /proc/kallsyms is none: it goes through the
// same list as /proc/modules.
func (p *Part) modules(v *View) {
	b, _, err := v.ReadFile("/proc/modules", 4<<20)
	if gone(err) {
		return // a kernel without modules
	}
	if err != nil {
		p.gap("/proc/modules", err)
		return
	}
	views := p.moduleViews(v, proc.Modules(b))
	if slices.ContainsFunc(slices.Collect(maps.Values(views)), unlistedModule) {
		b, _, err := v.ReadFile("/proc/modules", 4<<20)
		if err != nil {
			p.Gaps = append(p.Gaps, fact.Gap{Code: gapCode(err), What: "/proc/modules", Detail: "the second time: " + rootCause(err)})
			return
		}
		var second Part
		again := second.moduleViews(v, proc.Modules(b))
		if len(p.Gaps) == 0 { // a view that fails only now takes modules away as well
			p.Gaps = second.Gaps
		}
		maps.DeleteFunc(views, func(name string, m fact.Module) bool {
			return unlistedModule(m) && !(again[name].Name != "" && unlistedModule(again[name]))
		})
	}
	for _, name := range slices.Sorted(maps.Keys(views)) {
		if m := views[name]; m.Taint != "" || unlistedModule(m) {
			p.Module = append(p.Module, m)
		}
	}
}

func unlistedModule(m fact.Module) bool { return !slices.Contains(m.KnownBy, "list") }

// moduleViews are the modules that any view knows.
func (p *Part) moduleViews(v *View, listed map[string]string) map[string]fact.Module {
	out := map[string]fact.Module{}
	know := func(name, view string) {
		m := out[name]
		m.Ref, m.Name, m.KnownBy = fact.ModuleRef(name), name, append(m.KnownBy, view)
		out[name] = m
	}
	for name, taint := range listed {
		know(name, "list")
		m := out[name]
		m.Taint = taint
		out[name] = m
	}
	names, err := v.Names("/sys/module")
	p.gap("/sys/module", err)
	for _, name := range names {
		if sysModule(v, name) {
			know(fact.Text([]byte(name)), "sys")
		}
	}
	for _, name := range proc.HookModules(p.hooks(v)) {
		know(name, "hooks")
	}
	return out
}

// hooks is the list of the functions that lead into modules. Where tracefs is
// not mounted by itself it lies below debugfs (Linux before 4.1 has it only there).
func (p *Part) hooks(v *View) []byte {
	const own, debug = "/sys/kernel/tracing/enabled_functions", "/sys/kernel/debug/tracing/enabled_functions"
	b, _, err := v.ReadFile(own, 4<<20)
	if !gone(err) {
		p.gap(own, err)
		return b
	}
	b, _, err = v.ReadFile(debug, 4<<20)
	p.gap(debug, err)
	return b
}

// sysModule: only what was loaded has a state; the rest is built in.
func sysModule(v *View, name string) bool {
	b, _, err := v.ReadFile(fact.Path("/sys/module/"+name+"/initstate"), 64)
	return err == nil && string(bytes.TrimSpace(b)) == "live"
}
