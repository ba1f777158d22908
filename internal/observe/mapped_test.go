package observe

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

// asking is a program of little more than its tables. It has a loader and asks for libc.so.6.
const asking = "" +
	"f0VMRgIBAQAAAAAAAAAAAAMAPgABAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAADAEAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAAawEAAAAAAABrAQAAAAAAAAAQAAAAAAAAAgAAAAQAAAAIAQAAAAAAAAgBAAAAAAAACAEAAAAAAABAAAAAAAAAAEAAAAAAAAAA" +
	"CAAAAAAAAAADAAAABAAAAOgAAAAAAAAA6AAAAAAAAADoAAAAAAAAABwAAAAAAAAAHAAAAAAAAAABAAAAAAAAAC9saWI2NC9sZC1saW51eC14ODYt" +
	"NjQuc28uMgAAAAAAAQAAAAAAAAABAAAAAAAAAAUAAAAAAAAAYAEAAAAAAAAGAAAAAAAAAEgBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAAAAAAAABsaWJjLnNvLjYA"

// cLibrary is a library that is called libc.so.6 and defines readdir.
const cLibrary = "" +
	"f0VMRgIBAQAAAAAAAAAAAAMAPgABAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAACAEAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAAMwEAAAAAAAAzAQAAAAAAAAAQAAAAAAAAAgAAAAQAAACwAAAAAAAAALAAAAAAAAAAsAAAAAAAAABAAAAAAAAAAEAAAAAAAAAA" +
	"CAAAAAAAAAAOAAAAAAAAAAEAAAAAAAAABQAAAAAAAAAgAQAAAAAAAAYAAAAAAAAA8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAACwAAABIAAQAAAAAAAAAAAAAAAAAAAAAAAGxpYmMuc28uNgByZWFkZGlyAA=="

// static is a program without a loader.
const static = "" +
	"f0VMRgIBAQAAAAAAAAAAAAMAPgABAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAACAEAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAA+QAAAAAAAAD5AAAAAAAAAAAQAAAAAAAAAgAAAAQAAACwAAAAAAAAALAAAAAAAAAAsAAAAAAAAAAwAAAAAAAAADAAAAAAAAAA" +
	"CAAAAAAAAAAFAAAAAAAAAPgAAAAAAAAABgAAAAAAAADgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// askingOwn asks for own.so as well.
const askingOwn = "" +
	"f0VMRgIBAQAAAAAAAAAAAAMAPgABAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAADAEAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAAggEAAAAAAACCAQAAAAAAAAAQAAAAAAAAAgAAAAQAAAAIAQAAAAAAAAgBAAAAAAAACAEAAAAAAABQAAAAAAAAAFAAAAAAAAAA" +
	"CAAAAAAAAAADAAAABAAAAOgAAAAAAAAA6AAAAAAAAADoAAAAAAAAABwAAAAAAAAAHAAAAAAAAAABAAAAAAAAAC9saWI2NC9sZC1saW51eC14ODYt" +
	"NjQuc28uMgAAAAAAAQAAAAAAAAABAAAAAAAAAAEAAAAAAAAACAAAAAAAAAAFAAAAAAAAAHABAAAAAAAABgAAAAAAAABYAQAAAAAAAAAAAAAAAAAA" +
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAb3duLnNvAGxpYmMuc28uNgA="

const elfFile = " mode=0755 enc=base64 --\n"

// daemon is a process that the first one started, with its maps. Each of the
// libraries is "PATH" or "PATH (deleted)".
func daemon(pid int, ns string, libraries ...string) string {
	exe := fmt.Sprintf("/usr/sbin/d%d", pid)
	text := fmt.Sprintf("-- %s%s%s\n-- /proc/%d/exe -> %[1]s --\n", exe, elfFile, asking, pid)
	text += fmt.Sprintf("-- /proc/%d/ns/mnt -> mnt:[%s] --\n", pid, ns)
	text += fmt.Sprintf("-- /proc/%d/stat --\n%d (d) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", pid, pid, pid)
	text += fmt.Sprintf("-- /proc/%d/maps --\n1000-2000 r-xp 0 0:0 9 %s\n", pid, exe)
	for i, l := range append(libraries, "/lib/libc.so.6") {
		text += fmt.Sprintf("%d0000-%[1]d1000 r--p 0 0:0 %d %s\n%[1]d1000-%[1]d2000 r-xp 1000 0:0 %[2]d %[3]s\n", i+1, i+70, l)
	}
	return text + "70000-71000 r-xp 0 0:0 0 [vdso]\n71000-72000 r-xp 0 0:0 5 anon_inode:x\n"
}

const ownLibraries = "-- /proc/self/ns/mnt -> mnt:[1] --\n" +
	"-- /lib/libc.so.6" + elfFile + cLibrary + "\n-- /lib/own.so" + elfFile + hiding + "\n"

// children are processes with these numbers, each started by the first one at
// the tick that is its number.
func children(pids ...int) (s fact.Snapshot) {
	for _, n := range pids {
		exe := fact.Path(fmt.Sprintf("/usr/sbin/d%d", n))
		ref := fact.ProcessRef("", n, uint64(n))
		s.Process = append(s.Process, fact.Process{PID: n, PPID: 1, StartTicks: uint64(n), Exe: exe, Ref: ref})
	}
	return s
}

func TestMapped(t *testing.T) {
	const own, gone = "/lib/own.so", "/lib/own.so (deleted)"
	long := strings.Repeat("80000-81000 r--p 0 0:0 0 \n", maxServiceMaps/20)
	const all, without = "/lib/own.so 3/3 [readdir readdir64]", "/lib/own.so deleted 3/3 [readdir readdir64]"
	three := daemon(61, "1", own) + daemon(62, "1", own) + daemon(63, "1", own)
	other := "-- /proc/63/stat --\n63 (d) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 6300 0 0\n"
	unlinked := daemon(61, "1", gone) + daemon(62, "1", gone) + daemon(63, "1", gone)
	held := func(pid int) string {
		return fmt.Sprintf("-- /proc/%d/map_files/11000-12000%s%s\n", pid, elfFile, hiding)
	}
	const named = "/opt/libc.so.6" // its file is called as what they ask for, and it tells no name of its own
	borrowed := daemon(61, "1", named) + daemon(62, "1", named) + daemon(63, "1", named) +
		"-- " + named + elfFile + hiding + "\n"
	oneLeft := []string{"unseen /proc/*/maps 1"}
	for name, c := range map[string]struct {
		host       string
		want, gaps []string
	}{
		"in all":                         {three, []string{all}, nil},
		"in three of four":               {three + daemon(64, "1"), []string{"/lib/own.so 3/4 [readdir readdir64]"}, nil},
		"in two":                         {daemon(61, "1", own) + daemon(62, "1", own) + daemon(63, "1"), nil, nil},
		"deleted":                        {unlinked + held(61) + held(62) + held(63), []string{without}, nil},
		"deleted, and its map is closed": {unlinked, nil, []string{"unseen /proc/*/maps 3"}},
		"something is mounted over it": {
			three + "-- /lib/own.so" + elfFile + static + "\n" + held(63), []string{without}, nil,
		},
		"a borrowed name": {borrowed, []string{"/opt/libc.so.6 3/3 [readdir readdir64]"}, nil},
		"no name of its own": {
			three + daemon(64, "1", own) + "-- /usr/sbin/d63" + elfFile + askingOwn + "\n",
			[]string{"/lib/own.so 3/4 [readdir readdir64]"}, nil,
		},
		"another mount namespace":   {daemon(61, "1", own) + daemon(62, "2", own) + daemon(63, "1", own), nil, oneLeft},
		"a map that is too long":    {three + long, nil, oneLeft},
		"one of four is too long":   {three + daemon(64, "1", own) + long, []string{all}, nil},
		"another process meanwhile": {three + other, nil, oneLeft},
		"no right":                  {three + "-- /proc/63/maps error=permission --\n", nil, oneLeft},
		"it ended":                  {daemon(61, "1", own) + daemon(62, "1", own), nil, nil},
		"static program":            {three + "-- /usr/sbin/d63" + elfFile + static + "\n", nil, nil},
	} {
		h, err := fixture.Parse([]byte(ownLibraries + c.host))
		if err != nil {
			t.Fatal(err)
		}
		s, cov := lookAtHost(t, h, children(61, 62, 63, 64), file)
		var got, told []string
		for _, f := range s.File {
			if f.Mapped != nil {
				got = append(got, describeMapped(f))
			}
		}
		for _, g := range cov.Gaps {
			told = append(told, fmt.Sprintf("%s %s %d", g.Code, g.What, g.Count))
		}
		if d := cmp.Diff([][]string{c.want, c.gaps}, [][]string{got, told}); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func describeMapped(f fact.File) string {
	text := string(f.Path)
	if f.Deleted {
		text += " deleted"
	}
	text += fmt.Sprintf(" %d/%d", f.Mapped.Services, f.Mapped.Of)
	if f.ELF != nil {
		text += fmt.Sprint(" ", f.ELF.Replaces)
	}
	return text
}

// TestServiceSample: what the first process started, one of each unit and
// program, and of many the oldest and the newest.
func TestServiceSample(t *testing.T) {
	s := children(5, 1, 7, 8, 9, 10, 11, 12, 13)
	s.Host.Self = 13
	change := map[int]func(p *fact.Process){
		1:  func(p *fact.Process) { p.PPID = 0 },
		5:  func(p *fact.Process) { p.Unit = "a.service" },
		7:  func(p *fact.Process) { p.PPID = 5 },
		8:  func(p *fact.Process) { p.Session = "3" },
		9:  func(p *fact.Process) { p.Container = "c" },
		10: func(p *fact.Process) { p.Kernel = true },
		11: func(p *fact.Process) { p.Exe = "/usr/sbin/d5" },
		12: func(p *fact.Process) { p.Unit = "a.service" },
	}
	for i := range s.Process {
		if f := change[s.Process[i].PID]; f != nil {
			f(&s.Process[i])
		}
	}
	if got := sampled(s); !slices.Equal(got, []int{1, 5}) {
		t.Errorf("%v", got)
	}
	var many []int
	for n := range 2 * maxServices {
		many = append(many, 100+n)
	}
	want := slices.Concat(many[:maxServices/2], many[len(many)-maxServices/2:])
	if got := sampled(children(many...)); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func sampled(s fact.Snapshot) (pids []int) {
	for _, p := range serviceSample(&s) {
		pids = append(pids, p.PID)
	}
	return pids
}
