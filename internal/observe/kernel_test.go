package observe

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
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
