package observe

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

// fileBase points at the files of testdata/file-debian.txtar.
func fileBase(t *testing.T) (*host.Host, fact.Snapshot) {
	t.Helper()
	h, err := fixture.Load("testdata/file-debian.txtar")
	if err != nil {
		t.Fatal(err)
	}
	id := func(p fact.Path) fact.FileID {
		i, err := h.Files.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		return i.ID
	}
	run := func(pid int, exe fact.Path, deleted bool, box string) fact.Process {
		p := fact.Process{Ref: fact.Ref(fmt.Sprint("process:", pid)), PID: pid, Exe: exe, ExeDeleted: deleted, Container: box}
		if !deleted && box == "" {
			p.ExeID = id(exe)
		}
		return p
	}
	base := initAnd(
		run(20, "/var/tmp/minerd", false, ""), run(21, "/tmp/.x/k", true, ""), run(22, "/usr/bin/curl", false, "0123456789abcdef"),
		run(23, "/usr/bin/curl", false, ""), run(24, "/usr/bin/mawk", false, ""),
		fact.Process{Ref: "process:2", PID: 2, Kernel: true},
	)
	base.Autostart = []fact.Autostart{{
		Ref: "autostart:x", Kind: "cron", Origin: fact.Origin{Path: "/etc/cron.d/job", Line: 1}, Command: "c",
		Shell: fact.Shell{
			Runs:  []fact.Path{"/var/tmp/minerd", "/bin/python3", "/home/shop/run", "/opt/team/tool", "/opt/open/tool", "/opt/plain"},
			Paths: []fact.Path{"/usr/bin/awk", "/dev/null", "/tmp/missing", "/srv/missing", "/home/shop/lib/root-owned"},
		},
	}}
	return h, base
}

func TestFiles(t *testing.T) {
	h, base := fileBase(t)
	s, _ := lookAtHost(t, h, base, file)
	var got []string
	for _, f := range s.File {
		got = append(got, strings.TrimRight(fmt.Sprintf("%s %s %s by %v from %v %v", f.Ref, cmpOr(f.Type, "-"), cmpOr(f.Format, "-"), f.WritableBy, f.Pointed, f.Gaps), " []"))
	}
	slices.Sort(got)
	want := []string{
		"file:/bin/python3 regular elf by [] from [autostart",
		"file:/etc/cron.d/job regular text by [] from [autostart",
		"file:/etc/ld.so.preload regular text by [] from [preload",
		"file:/home/shop/lib/root-owned regular text by [shop] from [autostart",
		"file:/home/shop/run regular script by [shop] from [autostart",
		"file:/opt/open/tool regular script by [everyone] from [autostart",
		"file:/opt/plain regular text by [] from [autostart",
		"file:/opt/team/tool regular script by [dev] from [autostart",
		"file:/srv/missing - - by [] from [autostart",
		"file:/tmp/.x/k (deleted) - - by [] from [process] [stat",
		"file:/tmp/missing - - by [everyone] from [autostart",
		"file:/usr/bin/awk regular elf by [] from [autostart",
		"file:/usr/bin/curl regular elf by [] from [process",
		"file:/usr/bin/mawk regular elf by [] from [process",
		"file:/usr/lib/libprocesshider.so - - by [] from [preload",
		"file:/var/tmp/minerd regular elf by [] from [process autostart",
		"file:0123456789ab@/usr/bin/curl regular elf by [] from [process] [other-namespace",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	exes := map[int]fact.Ref{}
	for _, p := range s.Process {
		exes[p.PID] = p.ExeFile
	}
	wantExes := map[int]fact.Ref{
		1: "", 2: "", 20: "file:/var/tmp/minerd", 21: "file:/tmp/.x/k (deleted)", 22: "file:0123456789ab@/usr/bin/curl",
		23: "file:/usr/bin/curl", 24: "file:/usr/bin/mawk",
	}
	if d := cmp.Diff(wantExes, exes); d != "" {
		t.Error(d)
	}
	for _, f := range s.File {
		switch f.Path {
		case "/home/shop/run":
			if !f.Shell.FetchExec || f.Owner != "shop" {
				t.Errorf("%+v", f)
			}
		case "/opt/plain":
			if len(f.Shell.Programs) == 0 {
				t.Error("a text that is run is not read as a script")
			}
		case "/tmp/missing", "/srv/missing":
			if !f.Missing {
				t.Errorf("%s is not missing", f.Path)
			}
		}
	}
	a := s.Autostart[0]
	if a.File != "file:/etc/cron.d/job" || len(a.Targets) != 10 || a.Command != "c" {
		t.Errorf("%+v", a)
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func TestFilesKeepWhatIsKnown(t *testing.T) {
	h, base := fileBase(t)
	base.File = []fact.File{{Ref: "file:/var/tmp/minerd", Scanned: "whole", Patterns: []fact.Pattern{{ID: "x"}}, Package: "p"}}
	s, _ := lookAtHost(t, h, base, file)
	f := s.File[0]
	if len(f.Patterns) != 1 || f.Scanned != "whole" || f.Package != "p" || f.Format != "elf" {
		t.Errorf("%+v", f)
	}
}

func TestPackages(t *testing.T) {
	h, base := fileBase(t)
	s, c := lookAtHost(t, h, base, file, packages)
	got := map[fact.Ref]string{}
	for _, f := range s.File {
		if f.Package != "" {
			got[f.Ref] = f.Package + " " + f.Verified
		}
	}
	want := map[fact.Ref]string{
		"file:/usr/bin/curl": "curl changed", "file:/usr/bin/mawk": "mawk same", "file:/usr/bin/awk": "mawk same",
		"file:/bin/python3": "python3-minimal ", "file:/etc/cron.d/job": "jobs ",
	}
	if d := cmp.Diff(want, got); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
	if s.Autostart[0].Package != "jobs" || s.Autostart[0].File == "" {
		t.Errorf("%+v", s.Autostart[0])
	}
}

func TestPackagesUnread(t *testing.T) {
	for text, want := range map[string]fact.State{
		"-- /var/lib/rpm/Packages --\nx\n": fact.Partial, "-- /lib/apk/db/installed --\nx\n": fact.Partial, "-- /x --\n": fact.Absent,
	} {
		h, err := fixture.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		_, c := lookAtHost(t, h, fact.Snapshot{}, packages)
		if c.State != want || want == fact.Partial && c.Gaps[0].Code != "package-database-unread" {
			t.Errorf("%q: %+v", text, c)
		}
	}
}

// Asking for the owner of a few files must not cost what reading the database
// whole costs.
func TestPackagesOfThisMachine(t *testing.T) {
	h := host.Live()
	base := fact.Snapshot{}
	for _, p := range []fact.Path{"/bin/sh", "/usr/bin/env", "/etc/passwd", "/usr/bin/awk", "/nowhere"} {
		base.Autostart = append(base.Autostart, fact.Autostart{Ref: fact.Ref("autostart:" + p), Origin: fact.Origin{Path: p}})
	}
	s, c := lookAtHost(t, h, base, file, packages)
	t.Logf("%s: %v for %d files", c.State, time.Duration(c.TookUS)*time.Microsecond, len(s.File))
	for _, a := range s.Autostart {
		t.Logf("%s: %q", a.Origin.Path, a.Package)
	}
}
