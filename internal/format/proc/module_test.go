package proc

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	modulesText = "nvidia 62357504 87 nvidia_uvm,nvidia_modeset, Live 0xffffffffc1a00000 (POE)\n" +
		"nf_tables 372736 1 - Live 0x0000000000000000\nveth 40960 0 - Unloading 0xffffffffc0d6b000 (E-)\n"
	hooksText = "__x64_sys_getdents64 (1) R   I   M \ttramp: 0xffffffffc0a8a000 (fh_ftrace_thunk+0x0/0x40 [diamorphine]) ->fh_ftrace_thunk+0x0/0x40 [diamorphine]\n" +
		"tcp4_seq_show (1) R\ndo_filp_open (1)   D   \tdirect-->bpf_trampoline_6442 [bpf]\nkfree [__builtin__kprobes]\n"
)

func TestModules(t *testing.T) {
	want := map[string]string{"nvidia": "POE", "nf_tables": "", "veth": "E-"}
	if d := cmp.Diff(want, Modules([]byte(modulesText))); d != "" {
		t.Error(d)
	}
	if got := Modules([]byte("\nlonely\n")); len(got) != 0 {
		t.Error(got)
	}
}

func TestHookModules(t *testing.T) {
	for in, want := range map[string][]string{
		hooksText: {"diamorphine"}, "": nil, "[": nil, "[]x[a]": {"a"}, "[a b] [c]": {"c"}, "[[d]": nil,
	} {
		if got := HookModules([]byte(in)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func FuzzModules(f *testing.F) {
	f.Add([]byte(modulesText))
	f.Add([]byte(hooksText))
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, taint := range Modules(b) {
			if name == "" || len(taint) > 16 {
				t.Fatalf("%q %q", name, taint)
			}
		}
		for _, n := range HookModules(b) {
			if n == "" || len(n) > maxModuleName {
				t.Fatalf("%q", n)
			}
		}
	})
}
