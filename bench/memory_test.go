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
	"syscall"
	"testing"
	"time"
)

const targetEnv = "DEMINE_BENCH_TARGET"

// target stands for a program that must answer in time: it maps and unmaps
// memory without pause, for which the kernel locks its map, and keeps the largest
// gap between two rounds, without the time in which it only waited for a CPU: a
// busy machine gives it none for long, searched or not. At each line of its input
// it tells the gap since the last, in microseconds, and the sum of the memory that
// it leaves alone. It is busy and lies where no programs are installed, so that
// demine searches it.
func target() {
	runtime.LockOSThread()
	still := make([]byte, 64<<20)
	for i := range still {
		still[i] = byte(i * 7)
	}
	ask, answer := make(chan bool), make(chan time.Duration)
	go func() {
		runtime.LockOSThread()
		stat, err := os.Open("/proc/thread-self/schedstat")
		if err != nil {
			panic(err)
		}
		var worst time.Duration
		last, waited := time.Now(), wait(stat)
		for {
			turn()
			now, w := time.Now(), wait(stat)
			worst, last, waited = max(worst, now.Sub(last)-(w-waited)), now, w
			select {
			case <-ask:
				answer <- worst
				worst, last, waited = 0, time.Now(), wait(stat)
			default:
			}
		}
	}()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		ask <- true
		fmt.Printf("%d %x\n", (<-answer).Microseconds(), sha256.Sum256(still))
	}
}

// wait is for how long the thread could have run and had no CPU.
func wait(schedstat *os.File) time.Duration {
	var b [128]byte
	n, _ := schedstat.ReadAt(b[:], 0)
	var run, wait int64
	if _, err := fmt.Sscan(string(b[:n]), &run, &wait); err != nil {
		panic(err)
	}
	return time.Duration(wait)
}

// turn maps a page, touches it, and unmaps it.
func turn() {
	m, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		panic(err)
	}
	m[0] = 1
	if err := syscall.Munmap(m); err != nil {
		panic(err)
	}
}

// BenchmarkMemory looks at a host with the target on it, and leaves it alone for
// as long, in turn. The medians of the largest gaps are reported, and how much
// the look added. What the target holds must stay as it was, byte for byte.
func BenchmarkMemory(b *testing.B) {
	if os.Getenv(targetEnv) != "" {
		target()
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		b.Fatal("run it as root: demine reads the memory of others then")
	}
	dir := b.TempDir()
	demine := build(b, dir, "demine", "./cmd/demine")
	at := filepath.Join("/var/tmp", fmt.Sprintf("demine-bench-memory-%d", os.Getpid()))
	copyFile(b, os.Args[0], at)
	b.Cleanup(func() { _ = os.Remove(at) })
	ask := startTarget(b, at)
	_, before := ask()
	var with, without []float64
	for range runs {
		begin := time.Now()
		searched(b, demine, at)
		took := time.Since(begin)
		gap, sum := ask()
		with = append(with, gap)
		if sum != before {
			b.Fatalf("the target's memory was changed: %s, then %s", before, sum)
		}
		time.Sleep(took) // the measure itself: nobody looks for as long as somebody looked
		gap, _ = ask()
		without = append(without, gap)
	}
	b.ReportMetric(middle(with), "searched-µs")
	b.ReportMetric(middle(without), "alone-µs")
	b.ReportMetric(middle(with)-middle(without), "added-µs")
	for range b.N { // the figures are the metrics, not the loop
	}
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

// startTarget gives what asks it for the gap in microseconds and the sum.
func startTarget(b *testing.B, exe string) func() (float64, string) {
	c := exec.Command(exe, "-test.run=^$", "-test.bench=^BenchmarkMemory$")
	c.Env = append(os.Environ(), targetEnv+"=1")
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
	return func() (gap float64, sum string) {
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
