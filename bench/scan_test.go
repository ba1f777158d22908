// Package bench compares demine with the least that its work can cost, and
// with other tools. It is never part of the timed tests: run it with
// "make bench"; what it measured is in docs/results.
package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	processes = 1000
	sockets   = 2000
	runs      = 7
)

type cost struct {
	Wall  int64 `json:"wall_ms"`
	CPU   int64 `json:"cpu_ms"`
	Peak  int64 `json:"peak_kib"`
	First int64 `json:"first_ms"`
}

// BenchmarkScan looks at a host with 1,000 processes and 2,000 sockets while
// every CPU is wanted three times over, a stand-in miner among the wanters;
// next to it, in turn, the lower bound. Medians of the runs are reported.
func BenchmarkScan(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Fatal("run it as root: demine looks at everything then")
	}
	dir := b.TempDir()
	demine, bound := build(b, dir, "demine", "./cmd/demine"), build(b, dir, "bound", "./bench/bound")
	idle, standin := build(b, dir, "idle", "./lab/idle"), build(b, dir, "minerd", "./lab/standin")
	crowd(b, idle)
	connections(b)
	spin(b, standin)
	var looks, bounds []cost
	for range runs {
		looks = append(looks, look(b, demine))
		bounds = append(bounds, measure(b, bound))
	}
	report(b, looks, bounds)
	for range b.N { // the figures are the metrics, not the loop
	}
}

func build(b *testing.B, dir, name, pkg string) string {
	out := filepath.Join(dir, name)
	c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	c.Dir, c.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	if text, err := c.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", pkg, err, text)
	}
	return out
}

// start runs a program until the benchmark ends.
func start(b *testing.B, name string, args ...string) {
	c := exec.Command(name, args...)
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
}

func crowd(b *testing.B, idle string) {
	have, _ := filepath.Glob("/proc/[0-9]*")
	for range max(0, processes-len(have)) {
		start(b, idle)
	}
}

// connections opens both ends of loopback connections: two sockets each.
func connections(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	for range sockets / 2 {
		a, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = a.Close(); _ = c.Close() })
	}
}

// spin starts the stand-in where implants live, with three busy threads a CPU.
func spin(b *testing.B, standin string) {
	at := filepath.Join("/var/tmp", fmt.Sprintf("demine-bench-%d", os.Getpid()))
	data, err := os.ReadFile(standin)
	if err == nil {
		err = os.WriteFile(at, data, 0o700)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.Remove(at) })
	start(b, at, "-threads", fmt.Sprint(3*runtime.NumCPU()))
	waitBusy(b, at)
}

func look(b *testing.B, demine string) cost {
	out, err := exec.Command(demine, "scan", "--json").Output()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 3) {
		b.Fatalf("demine: %v", err)
	}
	var s struct {
		Verdict string `json:"verdict"`
		Took    cost   `json:"took"`
	}
	if err := json.Unmarshal(out, &s); err != nil {
		b.Fatal(err)
	}
	if s.Verdict != "mining" {
		b.Fatalf("verdict %q: the stand-in was not found", s.Verdict)
	}
	return s.Took
}

func measure(b *testing.B, bound string) cost {
	c := exec.Command(bound)
	r, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	text, _ := io.ReadAll(r)
	if err := c.Wait(); err != nil {
		b.Fatal(err)
	}
	var k cost
	if err := json.Unmarshal(text, &k); err != nil {
		b.Fatal(err)
	}
	return k
}

func report(b *testing.B, looks, bounds []cost) {
	var ratios []float64
	for i := range looks {
		ratios = append(ratios, float64(looks[i].CPU)/float64(max(1, bounds[i].CPU)))
	}
	slices.Sort(ratios)
	b.ReportMetric(median(looks, func(c cost) int64 { return c.Wall }), "wall-ms")
	b.ReportMetric(median(looks, func(c cost) int64 { return c.First }), "first-ms")
	b.ReportMetric(median(looks, func(c cost) int64 { return c.CPU }), "cpu-ms")
	b.ReportMetric(median(looks, func(c cost) int64 { return c.Peak })/1024, "peak-MiB")
	b.ReportMetric(median(bounds, func(c cost) int64 { return c.Wall }), "bound-wall-ms")
	b.ReportMetric(median(bounds, func(c cost) int64 { return c.CPU }), "bound-cpu-ms")
	b.ReportMetric(ratios[len(ratios)/2], "cpu/bound")
	b.ReportMetric(0, "ns/op")
}

func median(cs []cost, of func(cost) int64) float64 {
	var xs []int64
	for _, c := range cs {
		xs = append(xs, of(c))
	}
	slices.Sort(xs)
	return float64(xs[len(xs)/2])
}

// waitBusy waits until the program has used a second of CPU: a miner that was
// just started is nobody's outage.
func waitBusy(b *testing.B, exe string) {
	for range 600 {
		links, _ := filepath.Glob("/proc/[0-9]*/exe")
		for _, l := range links {
			if to, _ := os.Readlink(l); to == exe && ticks(filepath.Dir(l)) > 100 {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.Fatalf("%s did not become busy", exe)
}

func ticks(dir string) (n int) {
	text, _ := os.ReadFile(dir + "/stat")
	_, rest, _ := strings.Cut(string(text), ") ")
	if f := strings.Fields(rest); len(f) > 11 {
		n, _ = strconv.Atoi(f[11])
	}
	return n
}
