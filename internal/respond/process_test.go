package respond

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
)

// tree is processes that a test has started, and all that they start: told by a
// mark in their environment, not by the code under test.
type tree struct {
	t    *testing.T
	mark string
}

func newTree(t *testing.T) *tree {
	t.Helper()
	tr := &tree{t, fmt.Sprintf("DEMINE_TREE=%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))}
	t.Cleanup(func() {
		pollFor(t, "its processes end", func() bool {
			ps := tr.all()
			for pid := range ps {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
			return len(ps) == 0
		})
	})
	return tr
}

// start runs a program and collects it when it ends.
func (tr *tree) start(attr *syscall.SysProcAttr, argv ...string) Proc {
	tr.t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = []string{tr.mark, "DB_PASSWORD=hunter2", "HOME=/nonexistent"}
	c.SysProcAttr = attr
	c.Dir = "/"
	if err := c.Start(); err != nil {
		tr.t.Fatal(err)
	}
	go func() { _ = c.Wait() }()
	return procNow(tr.t, c.Process.Pid)
}

// all gives the state of every process of the tree that has not ended.
func (tr *tree) all() map[int]byte {
	out := map[int]byte{}
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		b, err := os.ReadFile(f)
		pid, _ := strconv.Atoi(strings.Split(f, "/")[2])
		if err != nil || !bytes.Contains(append(b, 0), []byte(tr.mark+"\x00")) || pid == os.Getpid() {
			continue
		}
		if s, ok := stateNow(pid); ok {
			out[pid] = s
		}
	}
	return out
}

// grown waits until the tree has n processes that have done their exec.
func (tr *tree) grown(n int) map[int]byte {
	tr.t.Helper()
	var ps map[int]byte
	pollFor(tr.t, fmt.Sprintf("%d processes are there", n), func() bool { ps = tr.all(); return len(ps) >= n })
	return ps
}

func stateNow(pid int) (byte, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	s := b[bytes.LastIndexByte(b, ')')+2]
	return s, s != 'Z' && s != 'X'
}

func halted(pid int) bool { s, ok := stateNow(pid); return ok && s == 'T' }

func procNow(t *testing.T, pid int) Proc {
	t.Helper()
	p, err := procOf(host.Live(), pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pollFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
		_ = host.Live().Wait(context.Background(), 2*time.Millisecond)
	}
	t.Fatalf("timed out: %s", what)
}

// programCopy is a program as another file.
func programCopy(t testing.TB, program, name string) string {
	t.Helper()
	at, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(p, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// familyNow names the family of a process as a plan does.
func familyNow(t *testing.T, p Proc) family {
	t.Helper()
	i, err := host.Live().Files.Stat(pidPath(p.PID) + "/exe")
	if err != nil {
		t.Fatal(err)
	}
	return family{Exe: p.Exe, ID: p.ExeID, Size: i.Size, Modified: i.Modified, Roots: []procID{p.id()}}
}

func liveWriter() *Writer {
	return &Writer{Host: host.Live(), Proc: LiveProcesses(), Vault: processVault{}, Log: slog.New(slog.DiscardHandler)}
}

// processVault keeps blobs in memory.
type processVault map[string][]byte

func (v processVault) Put(_ context.Context, name string, r io.Reader) (Blob, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return Blob{}, err
	}
	v[name] = b
	sum := sha256.Sum256(b)
	return Blob{ID: name, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}, nil
}

func (v processVault) Get(b Blob) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(v[b.ID])), nil
}

// applyStep does what the engine does with one step, and gives its undo data.
func applyStep(t *testing.T, a *Action, w *Writer, with any) (s *Step, undo []byte, o Outcome) {
	t.Helper()
	s = &Step{ID: 1, Do: a.Name, With: encode(with)}
	e, err := a.Look(t.Context(), w.Host, s)
	if err != nil {
		return s, nil, failure(err)
	}
	s.Expect = e
	undo, err = a.Prepare(t.Context(), w, s)
	if err != nil {
		return s, nil, failure(err)
	}
	m, err := a.Do(t.Context(), w, s, undo)
	if err != nil {
		return s, undo, failure(err)
	}
	return s, undo, Outcome{State: Done, Detail: m}
}

func TestProcesses(t *testing.T) {
	tr := newTree(t)
	p := tr.start(nil, programCopy(t, "sleep", "a (b) c"), "1000")
	ps, err := processes(t.Context(), host.Live())
	if err != nil {
		t.Fatal(err)
	}
	var found, kernel bool
	for _, q := range ps {
		kernel = kernel || q.Kernel
		if q.PID == p.PID {
			found = q.Start == p.Start && q.PPID == os.Getpid() && q.Comm == "a (b) c" && q.Exe == p.Exe && q.ExeID == p.ExeID &&
				q.ExeID != fact.FileID{} && q.UID == os.Getuid() && !q.Kernel
		}
	}
	if !found {
		t.Errorf("%+v is not among them", p)
	}
	if _, err := os.Stat("/proc/2/exe"); err != nil && !kernel && ps[1].PID == 2 {
		t.Error("no kernel thread")
	}
}

// A signal reaches only the process of that start time, with pidfd and without.
func TestProcessSignal(t *testing.T) {
	for _, l := range []liveProcesses{{}, {byPID: true}} {
		t.Run(fmt.Sprint("byPID=", l.byPID), func(t *testing.T) {
			p := newTree(t).start(nil, programCopy(t, "sleep", "minerd"), "1000")
			other := p
			other.Start--
			if err := l.Signal(other, unix.SIGSTOP); !errors.Is(err, ErrGone) {
				t.Errorf("another start time: %v", err)
			}
			if err := l.Signal(Proc{PID: 1, Start: 1}, unix.SIGCONT); err == nil || errors.Is(err, ErrGone) {
				t.Errorf("pid 1: %v", err)
			}
			if err := l.Signal(Proc{PID: aThread(t), Start: p.Start}, unix.SIGSTOP); !errors.Is(err, ErrGone) {
				t.Errorf("a thread's number: %v", err)
			}
			if halted(p.PID) {
				t.Error("the process was hit")
			}
			if err := l.Signal(p, unix.SIGKILL); err != nil {
				t.Error(err)
			}
			pollFor(t, "it ends", func() bool { _, ok := stateNow(p.PID); return !ok })
			pollFor(t, "it is collected", func() bool { return errors.Is(l.Signal(p, unix.SIGKILL), ErrGone) })
		})
	}
}

// aThread is the number of a thread of this program that is no process's.
func aThread(t *testing.T) int {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range threads {
		if n, err := strconv.Atoi(d.Name()); err == nil && n != os.Getpid() {
			return n
		}
	}
	t.Fatal("there is one thread alone")
	return 0
}
