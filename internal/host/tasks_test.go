package host

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// listed are the processes of /proc, now. The first one is left out: the kernel
// of a sandbox may keep the keeper's own process from BPF programs.
func listed(t testing.TB) []int {
	t.Helper()
	names, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n.Name()); err == nil && pid != 1 {
			out = append(out, pid)
		}
	}
	slices.Sort(out)
	return out
}

// Each view knows the processes that /proc lists before and after, and no
// others: but such as began or ended meanwhile, which are not known when asked
// again, or listed. A number that is given anew just then spoils one attempt.
func TestViewsAgree(t *testing.T) {
	for name, view := range map[string]func() ([]int, error){
		"iterator":  func() ([]int, error) { return liveKernel{}.Tasks() },
		"taskstats": func() ([]int, error) { return liveKernel{}.Accounted(t.Context(), numbers(32768)) },
	} {
		t.Run(name, func(t *testing.T) {
			ask := func() []int {
				got, err := view()
				if err != nil {
					t.Fatal(err, "(run it as root, in the first namespaces of a kernel that has it)")
				}
				return got
			}
			var missed, extra []int
			for range 5 {
				if missed, extra = differ(t, ask); len(missed)+len(extra) == 0 {
					return
				}
			}
			t.Errorf("not known though listed: %v; known and not listed: %v", missed, extra)
		})
	}
}

// differ gives what a view leaves out of what is listed, and what it adds.
func differ(t *testing.T, ask func() []int) (missed, extra []int) {
	before, got, after := listed(t), ask(), listed(t)
	for _, pid := range before {
		if slices.Contains(after, pid) && !slices.Contains(got, pid) {
			missed = append(missed, pid)
		}
	}
	again := ask()
	now := slices.Concat(before, after, listed(t), []int{1})
	for _, pid := range got {
		if slices.Contains(again, pid) && !slices.Contains(now, pid) {
			extra = append(extra, pid)
		}
	}
	return missed, extra
}

func numbers(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

// A process that begins is known to both, and not when it has ended; one of
// its threads is none.
func TestViewsFollow(t *testing.T) {
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	known := func(pid int) (iterator, accounts bool) {
		tasks, err := liveKernel{}.Tasks()
		if err != nil {
			t.Fatal(err)
		}
		some, err := liveKernel{}.Accounted(t.Context(), []int{pid})
		if err != nil {
			t.Fatal(err)
		}
		return slices.Contains(tasks, pid), slices.Contains(some, pid)
	}
	if it, acc := known(c.Process.Pid); !it || !acc {
		t.Errorf("it runs: %v %v", it, acc)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if it, acc := known(c.Process.Pid); it || acc {
		t.Errorf("it has ended: %v %v", it, acc)
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil || len(threads) < 2 {
		t.Fatal("a Go program has more than one thread", err)
	}
	for _, th := range threads {
		tid, _ := strconv.Atoi(th.Name())
		if it, acc := known(tid); it != (tid == os.Getpid()) || acc != (tid == os.Getpid()) {
			t.Errorf("thread %d of %d: %v %v", tid, os.Getpid(), it, acc)
		}
	}
}

// cpu reports what an operation used: the machine may be busy with others.
func cpu(b *testing.B) func() {
	used := func() int64 {
		var u unix.Rusage
		_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
		return u.Utime.Nano() + u.Stime.Nano()
	}
	begin := used()
	return func() { b.ReportMetric(float64(used()-begin)/float64(b.N), "cpu-ns/op") }
}

func BenchmarkTasks(b *testing.B) {
	_, _ = liveKernel{}.Tasks() // BenchmarkLoadTasks tells of the first time
	defer cpu(b)()
	for b.Loop() {
		if _, err := (liveKernel{}).Tasks(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(listed(b))), "processes")
}

// What the iterator costs once.
func BenchmarkLoadTasks(b *testing.B) {
	defer cpu(b)()
	for b.Loop() {
		at, ok := kernelTypes()
		if !ok {
			b.Fatal("no BTF")
		}
		fd, err := loadTasks(at)
		if err != nil {
			b.Fatal(err)
		}
		os.NewFile(uintptr(fd), "program").Close()
	}
}

func BenchmarkAccounted(b *testing.B) {
	all := numbers(32768)
	defer cpu(b)()
	for b.Loop() {
		if _, err := (liveKernel{}).Accounted(b.Context(), all); err != nil {
			b.Fatal(err)
		}
	}
}
