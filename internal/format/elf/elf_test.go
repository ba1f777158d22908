package elf

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func program(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLook compares with debug/elf on programs that are in order.
func TestLook(t *testing.T) {
	self, _ := os.Executable()
	for _, name := range []string{"/bin/true", "/bin/sh", self} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, ok := Look(b)
		if !ok || got.Machine != uint16(want.Machine) || got.Type != uint16(want.Type) || got.Entry != want.Entry || got.Sections != len(want.Sections) {
			t.Errorf("%s: %+v", name, got)
		}
		var interp string
		n := 0
		for _, p := range want.Progs {
			switch p.Type {
			case elf.PT_LOAD:
				if s := got.Loads[n]; s.Off != p.Off || s.Size != p.Filesz || s.VAddr != p.Vaddr || s.Exec != (p.Flags&elf.PF_X != 0) {
					t.Errorf("%s: segment %d: %+v", name, n, s)
				}
				n++
			case elf.PT_INTERP:
				d := make([]byte, p.Filesz)
				p.ReadAt(d, 0)
				interp = string(bytes.TrimRight(d, "\x00"))
			}
		}
		_, err = want.Symbols()
		if n != len(got.Loads) || interp != got.Interp || got.Static != (interp == "") || got.Stripped != (err != nil) || got.UPX || got.Odd != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// mutations are changes that the kernel does not look at.
var mutations = map[string]func(b []byte){
	"EI_CLASS":    func(b []byte) { b[4] = 9 },
	"EI_DATA":     func(b []byte) { b[5] = 2 },
	"EI_VERSION":  func(b []byte) { b[6] = 77 },
	"e_version":   func(b []byte) { b[20] = 77 },
	"e_shoff":     func(b []byte) { binary.LittleEndian.PutUint64(b[40:], 1<<63+5) },
	"e_shentsize": func(b []byte) { b[58] = 3 },
	"e_shnum":     func(b []byte) { b[60], b[61] = 0xff, 0xff },
	"e_shstrndx":  func(b []byte) { b[62], b[63] = 0xff, 0xfe },
	"e_ehsize":    func(b []byte) { b[52] = 1 },
}

// TestKernel runs what was mutated: what the kernel runs must be read.
func TestKernel(t *testing.T) {
	orig := program(t)
	want, _ := Look(orig)
	if want.Class != 64 {
		t.Fatalf("the offsets are those of 64 bits, and programs have %d here", want.Class)
	}
	for name, change := range mutations {
		b := bytes.Clone(orig)
		change(b)
		file := filepath.Join(t.TempDir(), "p")
		if err := os.WriteFile(file, b, 0o700); err != nil {
			t.Fatal(err)
		}
		runs := exec.Command(file).Run() == nil
		got, ok := Look(b)
		if runs && (!ok || len(got.Loads) != len(want.Loads) || got.Interp != want.Interp) {
			t.Errorf("%s: the kernel runs it, Look gives %v %+v", name, ok, got)
		}
		if !runs {
			t.Errorf("%s: the kernel does not run it any more", name)
		}
	}
}

func TestLookNot(t *testing.T) {
	b := bytes.Clone(program(t))
	for name, in := range map[string][]byte{"nothing": nil, "magic": []byte("\x7fELF"), "script": []byte("#!/bin/sh\n"), "head": b[:64]} {
		if i, ok := Look(in); ok {
			t.Errorf("%s: %+v", name, i)
		}
	}
	b[16] = 1 // an object file
	if _, ok := Look(b); ok {
		t.Error("an object file")
	}
}

// TestDefines compares with debug/elf: what a library defines, not what it asks
// of others, also when its section headers are gone.
func TestDefines(t *testing.T) {
	names := []string{"readdir", "readdir64", "__libc_start_main", "no_such_function", "dlsym"}
	files, _ := filepath.Glob("/lib/*-linux-gnu/lib[cm].so.6")
	for _, name := range append(files, "/bin/ls") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		symbols, err := f.DynamicSymbols()
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, s := range symbols {
			if s.Section != elf.SHN_UNDEF && slices.Contains(names, s.Name) && !slices.Contains(want, s.Name) {
				want = append(want, s.Name)
			}
		}
		slices.Sort(want)
		mutations["e_shoff"](b)
		mutations["e_shnum"](b)
		for how, b := range map[string][]byte{"as it is": b, "far behind": far(b)} {
			if got, whole := Defines(bytes.NewReader(b), names); !slices.Equal(got, want) || !whole {
				t.Errorf("%s, %s: %v %v, want %v", name, how, got, whole, want)
			}
		}
		if got, whole := Defines(bytes.NewReader(b[:4096]), names); whole {
			t.Errorf("%s: cut off, and nothing is missing: %v", name, got)
		}
	}
}

// TestAsked compares with debug/elf: the names of libraries and those that they
// ask for, also when section headers are gone.
func TestAsked(t *testing.T) {
	files, _ := filepath.Glob("/lib/*-linux-gnu/lib[cm].so.6")
	self, _ := os.Executable()
	for _, name := range append(files, "/bin/ls", self) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		needs, _ := f.ImportedLibraries()
		own, _ := f.DynString(elf.DT_SONAME)
		loader := slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
		mutations["e_shoff"](b)
		mutations["e_shnum"](b)
		for how, b := range map[string][]byte{"as it is": b, "far behind": far(b)} {
			got, whole := Asked(bytes.NewReader(b))
			if !slices.Equal(got.Needs, needs) || got.Name != strings.Join(own, "") || got.Loader != loader || !whole {
				t.Errorf("%s, %s: %+v %v, want %v %v %v", name, how, got, whole, own, needs, loader)
			}
		}
		if got, whole := Asked(bytes.NewReader(b[:4096])); whole && loader && len(needs) > 0 {
			t.Errorf("%s: cut off, and nothing is missing: %+v", name, got)
		}
	}
}

// far is a library whose tables, and the headers that lead to them, lie behind
// two megabytes of something else.
func far(b []byte) []byte {
	const gap = 2 << 20
	le := binary.LittleEndian
	out := append(make([]byte, gap), b...)
	copy(out, b[:wide.header])
	off := le.Uint64(b[wide.phoff:]) + gap
	le.PutUint64(out[wide.phoff:], off)
	for n := range uint64(le.Uint16(b[wide.phnum:])) {
		p := out[off+n*uint64(wide.progHeader)+uint64(wide.pOffset):]
		le.PutUint64(p, le.Uint64(p)+gap)
	}
	return out
}

func TestUPX(t *testing.T) {
	b := bytes.Clone(program(t))
	copy(b[len(b)-36:], "UPX!")
	if i, ok := Look(b); !ok || !i.UPX {
		t.Errorf("%+v", i)
	}
}

func TestIsScript(t *testing.T) {
	for in, want := range map[string]string{
		"#!/bin/sh\nx": "/bin/sh", "#! /usr/bin/env python3": "/usr/bin/env", "#!/bin/bash -e\n": "/bin/bash",
		"#!\n": "", "#!": "", "#/bin/sh": "", "": "", "#!   ": "", "#!/a\tb": "/a",
	} {
		if got, ok := IsScript([]byte(in)); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", in, got, ok)
		}
	}
}

func FuzzLook(f *testing.F) {
	b := program(f)
	f.Add(b[:4096])
	for _, change := range mutations {
		m := bytes.Clone(b[:4096])
		change(m)
		f.Add(m)
	}
	f.Add([]byte("#!/bin/sh\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, ok := Look(b)
		if ok && (len(i.Loads) == 0 || len(i.Loads) > maxProgHeaders || i.Class != 32 && i.Class != 64 || len(i.Interp) > 4*maxInterp) {
			t.Fatalf("%+v", i)
		}
		if d, _ := Defines(bytes.NewReader(b), []string{"readdir", "main"}); len(d) > 2 {
			t.Fatal(d)
		}
		if a, _ := Asked(bytes.NewReader(b)); len(a.Needs) > maxNeeds || len(a.Name) > 4*longName {
			t.Fatal(a)
		}
		if s, ok := IsScript(b); ok == (s == "") {
			t.Fatal(s, ok)
		}
	})
}

func TestInflates(t *testing.T) {
	const k = 1 << 10
	for name, c := range map[string]struct {
		loads []Segment
		want  bool
	}{
		"packed": {[]Segment{{Size: 0, Mem: 9000 * k}, {Size: 2500 * k, Mem: 2500 * k}}, true},
		"plain":  {[]Segment{{Size: 900 * k, Mem: 900 * k}, {Size: 20 * k, Mem: 90 * k}}, false},
		"tiny":   {[]Segment{{Size: 1 * k, Mem: 100 * k}}, false},
		"absurd": {[]Segment{{Size: 1 << 63, Mem: 1 << 63}, {Size: 1 << 63, Mem: 1 << 63}}, false},
	} {
		if got := (Info{Loads: c.loads}).Inflates(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if i, ok := Look(program(t)); !ok || i.Inflates() || i.Loads[0].Mem == 0 {
		t.Errorf("%+v", i)
	}
}

func TestEntropy(t *testing.T) {
	count := func(b []byte) *[256]int {
		var n [256]int
		for _, c := range b {
			n[c]++
		}
		return &n
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for want, b := range map[float64][]byte{0: nil, 1: []byte("abab"), 8: all} {
		if got := Entropy(count(b)); got != want {
			t.Errorf("%d bytes: %v, want %v", len(b), got, want)
		}
	}
	if got := Entropy(count(bytes.Repeat([]byte("a"), 9))); got != 0 {
		t.Errorf("one byte: %v", got)
	}
	if got := Entropy(count(program(t))); got < 2 || got > 7 {
		t.Errorf("a program: %v", got)
	}
}
