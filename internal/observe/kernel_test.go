package observe

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

func kernelOf(t *testing.T, text string) (*fact.Snapshot, fact.Coverage) {
	t.Helper()
	h, err := fixture.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return lookAtHost(t, h, fact.Snapshot{}, kernel)
}

// TestKernel: what taints is told, and of the modules those that taint or that
// a view lacks.
func TestKernel(t *testing.T) {
	s, c := kernelOf(t, `-- /proc/sys/kernel/tainted --
12294
-- /proc/modules --
zfs 6000000 10 - Live 0xffffffffc0000000 (PO)
veth 40960 0 - Live 0xffffffffc0d6b000
-- /sys/module/zfs/initstate --
live
-- /sys/module/veth/initstate --
live
-- /sys/module/gone/initstate --
live
-- /sys/module/msr/parameters/allow_writes --
on
`)
	want := []fact.Module{
		{Ref: "module:gone", Name: "gone", KnownBy: []string{"sys"}},
		{Ref: "module:zfs", Name: "zfs", KnownBy: []string{"list", "sys"}, Taint: "PO"},
	}
	if d := cmp.Diff(want, s.Module); d != "" {
		t.Error(d)
	}
	kernel := fact.Kernel{Tainted: []string{"forced-module", "cpu-out-of-spec", "out-of-tree", "unsigned"}, MSRWrites: "on"}
	if d := cmp.Diff(kernel, s.Kernel); d != "" || c.State != fact.Seen {
		t.Errorf("%v %s", c, d)
	}
}

// TestKernelUnseen: a view that may not be read is told, a kernel without
// modules lacks nothing, and no kernel at all is no view.
func TestKernelUnseen(t *testing.T) {
	const tainted = "-- /proc/sys/kernel/tainted --\n0\n"
	_, c := kernelOf(t, tainted+"-- /proc/modules --\n-- /sys/kernel/tracing/enabled_functions error=permission --\n")
	if !slices.Equal(gaps(c), []string{"no-permission /sys/kernel/tracing/enabled_functions"}) {
		t.Errorf("%+v", c)
	}
	if _, c = kernelOf(t, tainted); c.State != fact.Seen {
		t.Errorf("%+v", c)
	}
	if _, c = kernelOf(t, "-- /etc/motd --\n"); c.State != fact.Absent {
		t.Errorf("%+v", c)
	}
}

// once lets a path be read so many times.
type once struct {
	host.Files
	at   fact.Path
	left int
}

func (o *once) ReadFile(p fact.Path, limit int) ([]byte, host.Info, error) {
	if p == o.at {
		if o.left--; o.left < 0 {
			return nil, host.Info{}, errors.New("input/output error")
		}
	}
	return o.Files.ReadFile(p, limit)
}

// TestKernelSecondRead: when the views cannot be compared again, that is told.
func TestKernelSecondRead(t *testing.T) {
	h, err := fixture.Parse([]byte("-- /proc/sys/kernel/tainted --\n0\n-- /proc/modules --\n-- /sys/module/gone/initstate --\nlive\n"))
	if err != nil {
		t.Fatal(err)
	}
	h.Files = &once{Files: h.Files, at: "/proc/modules", left: 1}
	if _, c := lookAtHost(t, h, fact.Snapshot{}, kernel); !slices.Equal(gaps(c), []string{"unreadable /proc/modules"}) {
		t.Errorf("%+v", c)
	}
	h.Files = &once{Files: h.Files.(*once).Files, at: "/sys/module/gone/initstate", left: 1}
	if _, c := lookAtHost(t, h, fact.Snapshot{}, kernel); c.State != fact.Seen {
		t.Errorf("a module that was removed in between: %+v", c)
	}
}

// TestKernelHooksBelowDebugfs: old kernels have tracefs there only.
func TestKernelHooksBelowDebugfs(t *testing.T) {
	s, c := kernelOf(t, `-- /proc/sys/kernel/tainted --
4096
-- /proc/modules --
-- /sys/kernel/debug/tracing/enabled_functions --
tcp4_seq_show (1) R   I   M 	tramp: 0xffffffffc0a8a000 (thunk+0x0/0x40 [kshadow]) ->thunk+0x0/0x40 [kshadow]
`)
	want := []fact.Module{{Ref: "module:kshadow", Name: "kshadow", KnownBy: []string{"hooks"}}}
	if d := cmp.Diff(want, s.Module); d != "" || c.State != fact.Seen {
		t.Errorf("%+v %s", c, d)
	}
}
