package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/respond"
)

// The binary of these tests is also the other process that they need.
func TestMain(m *testing.M) {
	if job := os.Getenv("STORE_TEST_JOB"); job != "" {
		if err := jobs[job](os.Args[1], os.Args[2]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var jobs = map[string]func(dir, run string) error{
	"begin": func(dir, run string) error { // twenty runs, one after the other
		s, err := Open(dir, Options{Run: run})
		if err != nil {
			return err
		}
		for range 20 {
			name, err := s.Begin(respond.Plan{ID: "P"}, respond.Operator{})
			if err != nil {
				return err
			}
			fmt.Println(name)
		}
		return nil
	},
	"hold": func(dir, run string) error { // takes the lock until stdin ends
		s, err := Open(dir, Options{Run: run})
		if err != nil {
			return err
		}
		l, err := s.Lock(Holder{Peer: "192.0.2.7", Kind: "clean"})
		if err != nil {
			return err
		}
		if err := l.Tell("R9", "clean"); err != nil {
			return err
		}
		fmt.Println("held")
		_, err = io.ReadAll(os.Stdin)
		return err
	},
	"append": func(dir, run string) error { // appends until it is killed
		s, err := Open(dir, Options{Run: run})
		if err != nil {
			return err
		}
		name, err := s.Begin(respond.Plan{ID: "P"}, respond.Operator{})
		if err != nil {
			return err
		}
		for n := 1; ; n++ {
			r := respond.Record{Kind: respond.RecIntend, Step: n, Text: strings.Repeat("x", 5000)}
			if err := s.Append(name, r); err != nil {
				return err
			}
			fmt.Println(n)
		}
	},
}

func job(name, dir, run string) *exec.Cmd {
	c := exec.Command(os.Args[0], dir, run)
	c.Env = append(os.Environ(), "STORE_TEST_JOB="+name)
	return c
}

func open(t *testing.T, dir, run string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func dirs(t *testing.T) (dir, run string) {
	d := t.TempDir()
	return filepath.Join(d, "state"), filepath.Join(d, "run")
}

// ownMounts gives the test a mount namespace; its thread ends with it.
func ownMounts(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}

func mount(t *testing.T, source, target, kind string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		t.Fatalf("mount %s: %v", target, err)
	}
}

// smallDisk puts a file system of a few pages at a new folder.
func smallDisk(t *testing.T, path, size string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, "small", path, "tmpfs", 0, "mode=700,size="+size)
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
}

func volatile(s *Store) string {
	m, yes := s.Volatile()
	if !yes {
		return ""
	}
	return m.ID
}

func TestKeepsAndModes(t *testing.T) {
	dir, run := dirs(t)
	s := open(t, dir, run)
	if v := volatile(s); v != "" {
		t.Errorf("volatile: %s", v)
	}
	name, err := s.Begin(respond.Plan{ID: "P-1", Kind: "clean"}, respond.Operator{UID: 0, Peer: "192.0.2.7"})
	if err != nil || name != "R1" {
		t.Fatalf("run %q, error %v", name, err)
	}
	if _, err := s.Put(t.Context(), "x", strings.NewReader("implant")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{"": 0o700, "runs/R1": 0o700, "runs/R1/journal.jsonl": 0o600, "vault": 0o700} {
		i, err := os.Stat(filepath.Join(dir, path))
		if err != nil || i.Mode().Perm() != want {
			t.Errorf("%s: mode %v, error %v", path, i.Mode(), err)
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, ".probe*")); names != nil {
		t.Errorf("left behind: %v", names)
	}
}

func TestJournal(t *testing.T) {
	dir, run := dirs(t)
	s := open(t, dir, run)
	want := []respond.Record{
		{Kind: respond.RecIntend, Step: 1, Undo: []byte(`{"a":1}`)},
		{Kind: respond.RecOutcome, Step: 1, Outcome: &respond.Outcome{Step: 1, State: respond.Done}},
		{Kind: respond.RecEnd},
	}
	name, err := s.Begin(respond.Plan{ID: "P-1"}, respond.Operator{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range want {
		if err := s.Append(name, r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := open(t, dir, run).Records(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got[1:]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"R2", "R0", "R01", "../R1", "", "R-1", "R1/..", "R1\x00"} {
		if _, err := s.Records(bad); !errors.Is(err, ErrNoRun) {
			t.Errorf("records of %q: %v", bad, err)
		}
		if err := s.Append(bad, respond.Record{}); !errors.Is(err, ErrNoRun) {
			t.Errorf("append to %q: %v", bad, err)
		}
	}
}

// A line that was cut off anywhere is no record, and the next one is whole.
func TestTornLine(t *testing.T) {
	dir, run := dirs(t)
	s := open(t, dir, run)
	name, err := s.Begin(respond.Plan{ID: "P-1"}, respond.Operator{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(name, respond.Record{Kind: respond.RecIntend, Step: 1}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "runs", name, journalFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(whole, '\n') + 1
	for cut := first; cut < len(whole); cut++ {
		if err := os.WriteFile(file, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if rs, err := s.Records(name); err != nil || len(rs) != 1 {
			t.Fatalf("cut at %d: %d records, error %v", cut, len(rs), err)
		}
		if err := s.Append(name, respond.Record{Kind: respond.RecEnd}); err != nil {
			t.Fatal(err)
		}
		rs, err := s.Records(name)
		if err != nil || len(rs) != 2 || rs[1].Kind != respond.RecEnd {
			t.Fatalf("cut at %d, then appended: %v, error %v", cut, rs, err)
		}
	}
	if err := os.WriteFile(file, bytes.Replace(whole, []byte("{"), []byte("?"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Records(name); !errors.Is(err, ErrCorrupt) {
		t.Errorf("damage in the middle: %v", err)
	}
}

// Every record whose Append returned is there after a SIGKILL, and at most one
// more.
func TestKilledWhileAppending(t *testing.T) {
	dir, run := dirs(t)
	for range 5 {
		c := job("append", dir, run)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		told := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if told++; told == 30 {
				_ = c.Process.Kill()
			}
		}
		_ = c.Wait()
		s := open(t, dir, run)
		runs, err := s.Runs()
		if err != nil {
			t.Fatal(err)
		}
		rs, err := s.Records(runs[len(runs)-1])
		if n := len(rs) - 1; err != nil || n < told || n > told+1 {
			t.Errorf("%d records told, %d there, error %v", told, n, err)
		}
	}
}

// Two that never wait for a disk, one in each place, meet often.
func TestRaceBetweenPlaces(t *testing.T) {
	ownMounts(t)
	dir, run := dirs(t)
	smallDisk(t, dir, "96M")
	smallDisk(t, run, "96M")
	mem, err := OpenVolatile(dir, Options{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	const each = 500
	names := make(chan string, 2*each)
	var wg sync.WaitGroup
	for _, s := range []*Store{open(t, dir, run), mem} {
		wg.Go(func() {
			for range each {
				name, err := s.Begin(respond.Plan{ID: "P"}, respond.Operator{})
				if err != nil {
					t.Error(err)
					return
				}
				names <- name
			}
		})
	}
	wg.Wait()
	close(names)
	seen := map[string]bool{}
	for name := range names {
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
	}
}

// Processes that begin runs at the same time, in both places, never get the
// same name.
func TestRaceForNames(t *testing.T) {
	dir, run := dirs(t)
	open(t, dir, run)
	var cs []*exec.Cmd
	var outs []*bytes.Buffer
	for range 4 {
		c, out := job("begin", dir, run), &bytes.Buffer{}
		c.Stdout = out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		cs, outs = append(cs, c), append(outs, out)
	}
	mem, err := OpenVolatile(dir, Options{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for range 20 {
		name, err := mem.Begin(respond.Plan{ID: "P"}, respond.Operator{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	for i, c := range cs {
		if err := c.Wait(); err != nil {
			t.Fatalf("%v: %s", err, outs[i])
		}
		all = append(all, strings.Fields(outs[i].String())...)
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != 100 || len(all) != 100 {
		t.Errorf("%d names, %d different: %v", len(all), n, all)
	}
	runs, err := mem.Runs()
	if err != nil || len(runs) != 100 {
		t.Errorf("%d runs, error %v", len(runs), err)
	}
	if !slices.IsSortedFunc(runs, func(a, b string) int { return number(a) - number(b) }) {
		t.Errorf("not oldest first: %v", runs)
	}
}

func TestLock(t *testing.T) {
	dir, run := dirs(t)
	s := open(t, dir, run)
	if h, held := s.Holder(); held {
		t.Fatalf("held by %v", h)
	}
	c := job("hold", dir, run)
	in, _ := c.StdinPipe()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_, err = s.Lock(Holder{})
	var busy *Busy
	if !errors.Is(err, ErrBusy) || !errors.As(err, &busy) {
		t.Fatalf("second lock: %v", err)
	}
	h, held := s.Holder()
	if diff := cmp.Diff(busy.Holder, h); diff != "" || !held {
		t.Errorf("held %v (-busy +holder):\n%s", held, diff)
	}
	if h.PID != c.Process.Pid || h.Run != "R9" || h.Peer != "192.0.2.7" || busy.Message().ID != "store.busy.from" {
		t.Errorf("holder %+v", h)
	}
	// Also one whose state is in memory meets the same lock.
	mem, err := OpenVolatile(dir, Options{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mem.Lock(Holder{}); !errors.Is(err, ErrBusy) {
		t.Errorf("lock of the volatile store: %v", err)
	}
	_ = c.Process.Kill() // the lock ends with its process, its text stays
	in.Close()
	_ = c.Wait()
	if h, held := s.Holder(); held {
		t.Errorf("held by the dead: %+v", h)
	}
	l, err := s.Lock(Holder{})
	if err != nil {
		t.Fatal(err)
	}
	if h, held := s.Holder(); !held || h.PID != os.Getpid() {
		t.Errorf("holder %+v %v", h, held)
	}
	l.Release()
	if h, held := s.Holder(); held {
		t.Errorf("held after release by %v", h)
	}
}

func TestFullDisk(t *testing.T) {
	ownMounts(t)
	dir, run := dirs(t)
	smallDisk(t, dir, "16M")
	s := open(t, dir, run)
	name, err := s.Begin(respond.Plan{ID: "P-1"}, respond.Operator{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(name, respond.Record{Kind: respond.RecIntend, Step: 1}); err != nil {
		t.Fatal(err)
	}
	fillUp(t, filepath.Join(dir, "ballast"))

	// In the middle of a run: what is kept free lasts a while, then it goes on
	// in memory, and nothing is lost or out of order.
	long := strings.Repeat("x", 4000)
	for n := 2; n <= 100; n++ {
		if err := s.Append(name, respond.Record{Kind: respond.RecIntend, Step: n, Text: long}); err != nil {
			t.Fatalf("record %d: %v", n, err)
		}
	}
	if v := volatile(s); v != "store.disk-full" {
		t.Errorf("volatile: %q", v)
	}
	rs, err := open(t, dir, run).Records(name)
	if err != nil || len(rs) != 101 {
		t.Fatalf("%d records, error %v", len(rs), err)
	}
	for n, r := range rs {
		if r.Step != n {
			t.Fatalf("record %d is of step %d", n, r.Step)
		}
	}

	// From the start: in memory, with a name that follows.
	s = open(t, dir, run)
	if v := volatile(s); v != "store.disk-full" {
		t.Errorf("volatile: %q", v)
	}
	if next, err := s.Begin(respond.Plan{ID: "P-2"}, respond.Operator{}); err != nil || next != "R2" {
		t.Errorf("run %s, error %v", next, err)
	}
	if runs, _ := s.Runs(); !slices.Equal(runs, []string{"R1", "R2"}) {
		t.Errorf("runs %v", runs)
	}
}

func fillUp(t *testing.T, file string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 4096; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadOnlyDisk(t *testing.T) {
	ownMounts(t)
	dir, run := dirs(t)
	if _, err := open(t, dir, run).Begin(respond.Plan{ID: "P-1"}, respond.Operator{}); err != nil {
		t.Fatal(err)
	}
	mount(t, dir, dir, "", unix.MS_BIND, "")
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	mount(t, "none", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
	s := open(t, dir, run)
	if v := volatile(s); v != "store.read-only" {
		t.Errorf("volatile: %q", v)
	}
	name, err := s.Begin(respond.Plan{ID: "P-2"}, respond.Operator{})
	if err != nil || name != "R2" {
		t.Errorf("run %s, error %v", name, err)
	}
	// What undoing a run of the disk tells must be kept too.
	if err := s.Append("R1", respond.Record{Kind: respond.RecUndo}); err != nil {
		t.Fatal(err)
	}
	if rs, err := s.Records("R1"); err != nil || len(rs) != 2 || rs[1].Kind != respond.RecUndo {
		t.Errorf("records %v, error %v", rs, err)
	}
	if _, err := s.Put(t.Context(), "x", strings.NewReader("x")); err != nil {
		t.Error(err)
	}
	if err := s.SaveScan(&explain.Scan{ID: "S-1"}); err != nil {
		t.Error(err)
	}
}

// Of the folder in memory it is not said that --state names another one.
func TestUnsafeAdvice(t *testing.T) {
	for path, want := range map[string]string{DefaultDir: "store.unsafe.state", "/srv/state": "store.unsafe.state", RunDir: "store.unsafe.run"} {
		for _, reason := range []error{errLink, errOwner, errWritten, nil} {
			var r *respond.Refusal
			if err := unsafe(path, reason); !errors.As(err, &r) {
				t.Fatal(err)
			}
			if m, ok := r.Args["else"].(i18n.Message); !ok || m.ID != want {
				t.Errorf("%s, %v: %v, want %s", path, reason, r.Args["else"], want)
			}
		}
	}
}

func TestHostileFolders(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"link":       {func(d string) error { return os.Symlink(filepath.Dir(d), d) }, "store.unsafe.link"},
		"writable":   {func(d string) error { return errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, 0o777)) }, "store.unsafe.writable"},
		"sticky":     {func(d string) error { return errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, fs.ModeSticky|0o777)) }, "store.unsafe.writable"},
		"group":      {func(d string) error { return errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, 0o770)) }, "store.unsafe.writable"},
		"owner":      {func(d string) error { return errors.Join(os.Mkdir(d, 0o700), os.Chown(d, 65534, 65534)) }, "store.unsafe.owner"},
		"file":       {func(d string) error { return os.WriteFile(d, nil, 0o600) }, ""},
		"readable":   {func(d string) error { return errors.Join(os.Mkdir(d, 0o755), os.Chmod(d, 0o755)) }, ""},
		"above":      {aboveWritable, "store.unsafe.writable"},
		"link above": {linkInSticky, "store.unsafe.link"},
		"owner above": {func(d string) error {
			return errors.Join(os.Mkdir(filepath.Dir(d), 0o755), os.Chown(filepath.Dir(d), 65534, 65534))
		}, "store.unsafe.owner"},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "state")
			if strings.HasSuffix(name, "above") {
				dir = filepath.Join(top, "a", "state")
			}
			if err := tt.make(dir); err != nil {
				t.Fatal(err)
			}
			s, err := Open(dir, Options{Run: filepath.Join(top, "run")})
			var r *respond.Refusal
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				if i, _ := os.Stat(dir); name == "readable" && i.Mode().Perm() != 0o700 {
					t.Errorf("mode %v", i.Mode())
				}
				return
			}
			if !errors.As(err, &r) || r.ID != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if _, err := Open(filepath.Join(top, "other"), Options{Run: dir}); !errors.As(err, &r) || r.ID != tt.want {
				t.Errorf("as the folder in memory: got %v, want %s", err, tt.want)
			}
		})
	}
}

func aboveWritable(d string) error {
	return errors.Join(os.Mkdir(filepath.Dir(d), 0o700), os.Chmod(filepath.Dir(d), 0o777))
}

// linkInSticky: as in /tmp, where anybody can put a link.
func linkInSticky(d string) error {
	a := filepath.Dir(d)
	top := filepath.Dir(a)
	return errors.Join(os.Mkdir(filepath.Join(top, "target"), 0o700), os.Symlink("target", a), os.Chmod(top, fs.ModeSticky|0o777))
}

// A link that only root can change is as good as a folder: /var may be one.
func TestLinkOfRootAbove(t *testing.T) {
	top := t.TempDir()
	for _, link := range []string{"real", filepath.Join(top, "real"), "./real/../real"} {
		a := filepath.Join(top, "a")
		_ = os.Remove(a)
		if err := errors.Join(os.MkdirAll(filepath.Join(top, "real"), 0o700), os.Symlink(link, a)); err != nil {
			t.Fatal(err)
		}
		s := open(t, filepath.Join(a, "state"), filepath.Join(top, "run"))
		if _, err := s.Begin(respond.Plan{}, respond.Operator{}); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(top, "real", "state", "runs", "R1")); err != nil {
			t.Error(err)
		}
	}
	loop := filepath.Join(top, "loop")
	if err := os.Symlink("loop", loop); err != nil {
		t.Fatal(err)
	}
	if _, err := makeFolder(filepath.Join(loop, "state")); err == nil {
		t.Error("a loop of links was followed")
	}
}

func TestVault(t *testing.T) {
	dir, run := dirs(t)
	s := open(t, dir, run)
	for _, size := range []int{0, 1, 15, 4096, chunk, chunk + 1, 3*chunk - 1} {
		want := bytes.Repeat([]byte("implant\x00"), size/8+1)[:size]
		b, err := s.Put(t.Context(), "implant", bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		got := get(t, s, b)
		if !bytes.Equal(got, want) || b.Size != int64(size) {
			t.Errorf("size %d: %d bytes back", size, len(got))
		}
		raw, err := os.ReadFile(filepath.Join(dir, "vault", b.ID))
		if err != nil || size > 8 && bytes.Contains(raw, []byte("implant")) {
			t.Errorf("size %d is stored in the clear, error %v", size, err)
		}
	}
	if _, err := s.Get(respond.Blob{ID: "../lock"}); err == nil {
		t.Error("a name that leads elsewhere was opened")
	}
	if _, err := s.Get(respond.Blob{ID: "B-0123456789abcdef"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	broken := errors.New("broken")
	if _, err := s.Put(t.Context(), "x", io.MultiReader(strings.NewReader("x"), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, "x", strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if names, _ := os.ReadDir(filepath.Join(dir, "vault")); len(names) != 7 {
		t.Errorf("%d blobs: one that failed was left", len(names))
	}
	if v := volatile(s); v != "" {
		t.Errorf("volatile: %s", v)
	}
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

func get(t *testing.T, s *Store, b respond.Blob) []byte {
	t.Helper()
	r, err := s.Get(b)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDamagedBlob(t *testing.T) {
	dir, run := dirs(t)
	s := open(t, dir, run)
	b, err := s.Put(t.Context(), "x", strings.NewReader(strings.Repeat("content ", 1000)))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "vault", b.ID)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][]byte{"flipped": flipped, "cut": whole[:len(whole)-1], "longer": append(bytes.Clone(whole), 0),
		"no head": whole[1:], "empty": {}, "head only": whole[:sealing]} {
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := s.Get(b)
		if err == nil {
			_, err = io.ReadAll(r)
			r.Close()
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A blob for which the disk has too little room goes to memory whole, with
// what the disk had taken already.
func TestBlobOverflows(t *testing.T) {
	ownMounts(t)
	dir, run := dirs(t)
	smallDisk(t, dir, "8M")
	s := open(t, dir, run)
	want := make([]byte, 20<<20)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	b, err := s.Put(t.Context(), "big", bytes.NewReader(want))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(get(t, s, b), want) {
		t.Error("not the same")
	}
	if v := volatile(s); v != "store.disk-full" {
		t.Errorf("volatile: %q", v)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "vault")); len(left) != 0 {
		t.Errorf("a part was left on the disk: %v", left)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Bavail*4 < st.Blocks {
		t.Errorf("the disk was filled: %+v, error %v", st, err)
	}
	// Neither place has room: nothing is kept, and nothing is left.
	smallDisk(t, run, "8M")
	s = open(t, dir, run)
	if _, err := s.Put(t.Context(), "big", bytes.NewReader(want)); !noSpace(err) {
		t.Errorf("no room: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "vault", "*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestScans(t *testing.T) {
	dir, run := dirs(t)
	s := open(t, dir, run)
	if _, err := s.LastScan(); !errors.Is(err, ErrNone) {
		t.Errorf("none: %v", err)
	}
	begin := time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
	for i := range 25 {
		sc := &explain.Scan{ID: fmt.Sprintf("S-%d", i), Taken: begin.Add(time.Duration(i) * time.Minute),
			Snapshot: &fact.Snapshot{Process: []fact.Process{{Exe: "/tmp/\xff"}}}}
		if err := s.SaveScan(sc); err != nil {
			t.Fatal(err)
		}
	}
	last := func() string {
		sc, err := s.LastScan()
		if err != nil || sc.Snapshot == nil || sc.Snapshot.Process[0].Exe != "/tmp/\xff" {
			t.Fatalf("%+v, error %v", sc, err)
		}
		return sc.ID
	}
	if id := last(); id != "S-24" {
		t.Errorf("last is %s", id)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "scans", "*"))
	if len(names) != maxScans {
		t.Errorf("%d are kept", len(names))
	}
	if err := os.WriteFile(names[len(names)-1], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id := last(); id != "S-23" {
		t.Errorf("last that can be read is %s", id)
	}
	if err := s.SaveScan(&explain.Scan{ID: "../../x"}); err == nil {
		t.Error("a name that leads elsewhere was taken")
	}
}

func TestPlans(t *testing.T) {
	dir, run := dirs(t)
	s := open(t, dir, run)
	want := respond.Plan{ID: "P-1a2b3c4d", Kind: respond.KindClean, Steps: []respond.Step{{ID: 1, Do: "x", With: []byte(`{"a":1}`)}}}
	if err := s.SavePlan(want); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, dir, run).LoadPlan(want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, id := range []string{"P-2", "../lock", ""} {
		if _, err := s.LoadPlan(id); !errors.Is(err, ErrNone) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// Looking at the state makes none and changes none.
func TestRead(t *testing.T) {
	dir, run := dirs(t)
	none, err := Read(dir, Options{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	if runs, err := none.Runs(); err != nil || len(runs) != 0 {
		t.Errorf("runs %v, error %v", runs, err)
	}
	if _, held := none.Holder(); held {
		t.Error("held")
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder was made: %v", err)
	}
	s := open(t, dir, run)
	if _, err := s.Begin(respond.Plan{}, respond.Operator{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := Read(dir, Options{Run: run})
	if err != nil {
		t.Fatal(err)
	}
	if rs, err := r.Records("R1"); err != nil || len(rs) != 1 {
		t.Errorf("%d records, error %v", len(rs), err)
	}
	_, begin := r.Begin(respond.Plan{}, respond.Operator{})
	_, lock := r.Lock(Holder{})
	_, put := r.Put(t.Context(), "x", strings.NewReader("x"))
	for what, err := range map[string]error{"begin": begin, "lock": lock, "put": put,
		"append": r.Append("R1", respond.Record{}), "scan": r.SaveScan(&explain.Scan{ID: "S"}), "plan": r.SavePlan(respond.Plan{ID: "P"})} {
		if !errors.Is(err, ErrReader) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if i, _ := os.Stat(dir); i.Mode().Perm() != 0o755 {
		t.Errorf("mode %v", i.Mode())
	}
}

// A process that has ended holds nothing, also while its parent has not asked for its
// status.
func TestStartOfEnded(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", "read x")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pid := strconv.Itoa(c.Process.Pid)
	if startOf(pid) == 0 {
		t.Error("it runs, and is not there")
	}
	in.Close()
	var left unix.Siginfo
	if err := unix.Waitid(unix.P_PID, c.Process.Pid, &left, unix.WEXITED|unix.WNOWAIT, nil); err != nil { // it stays a zombie
		t.Fatal(err)
	}
	if startOf(pid) != 0 {
		t.Error("it has ended, and is there")
	}
	if err := c.Wait(); err != nil && c.ProcessState.ExitCode() != 1 {
		t.Error(err)
	}
}
