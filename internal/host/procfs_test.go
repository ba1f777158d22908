package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// sleeper starts a process that does nothing.
func sleeper(t *testing.T) int {
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c.Process.Pid
}

// inOwnMounts runs f where something is mounted over a folder; no other thread
// sees that.
func inOwnMounts(t *testing.T, over string, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends
		err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount("none", over, "tmpfs", 0, "")
		}
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("a mount over %s (run it as root): %v", over, err)
	}
}

// What is mounted over the folder of a process hides it from those who look
// there, not from demine.
func TestProcfsSeesThroughMounts(t *testing.T) {
	for name, open := range map[string]func() (int, error){
		"open_tree":  cloneProcfs,
		"old kernel": bindProcfs,
	} {
		t.Run(name, func(t *testing.T) {
			pid := sleeper(t)
			folder := fmt.Sprintf("/proc/%d", pid)
			inOwnMounts(t, folder, func() {
				if b, err := os.ReadFile(folder + "/stat"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("nothing is hidden: %q %v", b, err)
				}
				fd, err := open()
				if err != nil {
					t.Error(err)
					return
				}
				defer unix.Close(fd)
				link, err := readlinkAt(fd, strconv.Itoa(pid)+"/exe")
				if err != nil || path.Base(link) != "sleep" {
					t.Errorf("exe: %q %v", link, err)
				}
			})
		})
	}
}

// The live host's files of processes come from there.
func TestLiveFilesOfProcesses(t *testing.T) {
	if procfs() < 0 {
		t.Fatal("no procfs of demine's own: run it as root")
	}
	pid := sleeper(t)
	folder := fact.Path(fmt.Sprintf("/proc/%d", pid))
	inOwnMounts(t, string(folder), func() {
		f := liveFiles{}
		if b, _, err := f.ReadFile(folder+"/comm", 64); string(b) != "sleep\n" || err != nil {
			t.Errorf("comm: %q %v", b, err)
		}
		if d, err := f.OpenDir(folder); err != nil {
			t.Error(err)
		} else {
			b, err := d.ReadFile("comm", nil)
			if string(b) != "sleep\n" || err != nil {
				t.Errorf("comm: %q %v", b, err)
			}
			d.Close()
		}
		if l, err := f.Readlink(folder + "/exe"); path.Base(string(l)) != "sleep" || err != nil {
			t.Errorf("exe: %q %v", l, err)
		}
		if i, err := f.Stat(folder + "/exe"); i.Type != "regular" || err != nil {
			t.Errorf("%+v %v", i, err)
		}
		if names, err := f.Names("/proc"); !slices.Contains(names, strconv.Itoa(pid)) || err != nil {
			t.Errorf("not listed: %v", err)
		}
	})
}

func TestAlive(t *testing.T) {
	k := liveKernel{}
	for _, pid := range []int{1, os.Getpid(), unix.Gettid()} {
		if !k.Alive(pid) {
			t.Errorf("%d lives", pid)
		}
	}
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{0, -1, 1 << 22, c.Process.Pid} {
		if k.Alive(pid) {
			t.Errorf("%d does not live", pid)
		}
	}
}

func BenchmarkAlive(b *testing.B) {
	k := liveKernel{}
	for b.Loop() {
		k.Alive(1<<22 - 7)
	}
}
