package bench

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// target stands for a program that must answer in time: it maps and unmaps
// memory without pause, for which the kernel locks its map, and keeps the largest
// gap between two rounds, without the time in which it only waited for a CPU: a
// busy machine gives it none for long, searched or not. At each line of its input
// it tells it, in microseconds since the last line, and the sum of the memory that
// it leaves alone. It is in Python because Go moves a program between threads,
// which are such gaps as well.
const target = `
import hashlib, mmap, os, select, time
still = bytearray((i * 7) & 255 for i in range(1 << 16)) * 1024
stat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
asked = select.poll()
asked.register(0, select.POLLIN | select.POLLHUP)
def state():
    return time.perf_counter_ns(), int(os.pread(stat, 128, 0).split()[1])
worst = 0
last, wait = state()
print("ready", flush=True)
while True:
    m = mmap.mmap(-1, 4096)
    m[0] = 1
    m.close()
    now, w = state()
    worst = max(worst, now - last - (w - wait))
    last, wait = now, w
    if asked.poll(0):
        if not os.read(0, 4096):
            break
        print(worst // 1000, hashlib.sha256(still).hexdigest(), flush=True)
        worst = 0
        last, wait = state()
`

// BenchmarkMemory looks at a host with the target on it; for as long, somebody
// else keeps every CPU busy and reads nothing of it; and for as long nothing
// happens, in turn. Medians of the largest gaps are reported, and of the longest
// sleeps for a lock. What the target holds must stay as it was, byte for byte.
func BenchmarkMemory(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Fatal("run it as root: demine reads the memory of others then")
	}
	demine := build(b, b.TempDir(), "demine", "./cmd/demine")
	at := filepath.Join("/var/tmp", fmt.Sprintf("demine-bench-memory-%d", os.Getpid()))
	copyFile(b, "/usr/bin/python3", at)
	b.Cleanup(func() { _ = os.Remove(at) })
	pid, ask := startTarget(b, at)
	locks := traceLocks(b, pid)
	_, before := ask()
	var searching, beside, alone, locked, lockedAlone []float64
	for range runs {
		_ = locks.longest()
		begin := time.Now()
		searched(b, demine, at)
		took := time.Since(begin)
		gap, sum := ask()
		searching, locked = append(searching, gap), append(locked, locks.longest())
		if sum != before {
			b.Fatalf("the target's memory was changed: %s, then %s", before, sum)
		}
		spinFor(took)
		gap, _ = ask()
		beside = append(beside, gap)
		_ = locks.longest()
		time.Sleep(took) // the measure itself: nobody does anything for as long as somebody looked
		gap, _ = ask()
		alone, lockedAlone = append(alone, gap), append(lockedAlone, locks.longest())
	}
	b.ReportMetric(middle(searching), "searched-µs")
	b.ReportMetric(middle(beside), "busy-µs")
	b.ReportMetric(middle(alone), "alone-µs")
	b.ReportMetric(middle(locked), "locked-µs")
	b.ReportMetric(slices.Max(locked), "locked-max-µs")
	b.ReportMetric(middle(lockedAlone), "locked-alone-µs")
	b.ReportMetric(0, "ns/op")
	for range b.N { // the figures are the metrics, not the loop
	}
}

// spinFor keeps every CPU busy.
func spinFor(d time.Duration) {
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for end := time.Now().Add(d); time.Now().Before(end); {
				sha256.Sum256(make([]byte, 4096))
			}
		})
	}
	wg.Wait()
}

func copyFile(b *testing.B, from, to string) {
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o700)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// startTarget gives its pid and what asks it for the gap in microseconds and the
// sum.
func startTarget(b *testing.B, exe string) (int, func() (float64, string)) {
	c := exec.Command(exe, "-c", target)
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = c.Process.Kill(); _ = c.Wait() })
	r := bufio.NewReader(out)
	for line := ""; line != "ready\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	return c.Process.Pid, func() (gap float64, sum string) {
		_, _ = io.WriteString(in, "\n")
		if _, err := fmt.Fscanf(r, "%g %s\n", &gap, &sum); err != nil {
			b.Fatal(err)
		}
		return gap, sum
	}
}

// searched looks at the host; the memory of the target must have been read.
func searched(b *testing.B, demine, exe string) {
	out, err := exec.Command(demine, "scan", "--json", "--snapshot").Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	type process struct {
		Exe    string `json:"exe"`
		Memory *struct {
			Bytes int64 `json:"bytes"`
		} `json:"memory"`
	}
	var s struct {
		Snapshot struct {
			Process []process `json:"process"`
		} `json:"snapshot"`
	}
	if err := json.Unmarshal(out, &s); err != nil {
		b.Fatalf("%v: %.200s", err, out)
	}
	if !slices.ContainsFunc(s.Snapshot.Process, func(p process) bool { return p.Exe == exe && p.Memory != nil && p.Memory.Bytes > 1<<20 }) {
		b.Fatalf("%s was not searched", exe)
	}
}
