package bench

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"demine/internal/format/pattern"
	"demine/internal/format/yara"
	"demine/patterns"
)

// How much is searched for the comparison of engines: it has to stay in the
// page cache, and be what servers have: programs and libraries.
const (
	enginesBytes = 300 << 20
	enginesFrom  = "/usr/lib"
)

// BenchmarkYara compares, on the same files from the page cache and one core,
// demine's search for its patterns with YARA's search for the same ones, with
// demine's run of the same YARA rules, and with reading the files only.
func BenchmarkYara(b *testing.B) {
	files, size := someFiles(b)
	rules := writeRules(b)
	list := filepath.Join(b.TempDir(), "list")
	if err := os.WriteFile(list, []byte(strings.Join(files, "\n")+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	set := compiled(b)
	own, err := yara.Parse(yara.Source{Name: "rules", Text: []byte(ruleText(b))})
	if err != nil {
		b.Fatal(err)
	}
	var read, search, subset, theirs, ratios []float64
	for range runs {
		read = append(read, onThread(b, func() { eachFile(b, files, func([]byte) {}) }))
		search = append(search, onThread(b, func() {
			c := set.Scanner()
			c.Hit = func(int, int64) {}
			eachFile(b, files, func(p []byte) { _, _ = c.Write(p) })
		}))
		subset = append(subset, onThread(b, func() { wholeFiles(b, files, own) }))
		theirs = append(theirs, cpuOf(b, exec.Command("yara", "-w", "-p", "1", "--scan-list", rules, list)))
		ratios = append(ratios, theirs[len(theirs)-1]/search[len(search)-1])
	}
	mbs := func(s []float64) float64 { return float64(size) / 1e6 / middle(s) }
	b.ReportMetric(mbs(read), "read-MB/s")
	b.ReportMetric(mbs(search), "demine-MB/s")
	b.ReportMetric(mbs(subset), "demine-yara-MB/s")
	b.ReportMetric(mbs(theirs), "yara-MB/s")
	b.ReportMetric(middle(ratios), "yara/demine")
	b.ReportMetric(middle(search)/middle(read), "demine/read")
	b.ReportMetric(0, "ns/op")
	for range b.N { // the figures are the metrics, not the loop
	}
}

// BenchmarkDeep searches a tree with both, with two threads each.
func BenchmarkDeep(b *testing.B) {
	tree := os.Getenv("DEMINE_BENCH_TREE")
	if tree == "" {
		tree = "/usr"
	}
	demine, rules := build(b, b.TempDir(), "demine", "./cmd/demine"), writeRules(b)
	var wall, cpu, theirWall, theirCPU []float64
	for range 3 {
		begin := time.Now()
		cpu = append(cpu, cpuOf(b, exec.Command(demine, "scan", "--deep", tree, "--json")))
		wall = append(wall, time.Since(begin).Seconds())
		begin = time.Now()
		theirCPU = append(theirCPU, cpuOf(b, exec.Command("yara", "-w", "-N", "-p", "2", "-r", rules, tree)))
		theirWall = append(theirWall, time.Since(begin).Seconds())
	}
	b.ReportMetric(middle(wall), "wall-s")
	b.ReportMetric(middle(cpu), "cpu-s")
	b.ReportMetric(middle(theirWall), "yara-wall-s")
	b.ReportMetric(middle(theirCPU), "yara-cpu-s")
	b.ReportMetric(0, "ns/op")
	for range b.N {
	}
}

func middle(xs []float64) float64 {
	xs = slices.Clone(xs)
	slices.Sort(xs)
	return xs[len(xs)/2]
}

func compiled(b *testing.B) *pattern.Set {
	ps, err := patterns.Load()
	if err != nil {
		b.Fatal(err)
	}
	set, err := pattern.Compile(ps)
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// ruleText has a YARA rule for every pattern of demine.
func ruleText(b *testing.B) string {
	ps, err := patterns.Load()
	if err != nil {
		b.Fatal(err)
	}
	var out strings.Builder
	for i, p := range ps {
		s := fmt.Sprintf("{ % x }", p.Bytes)
		if p.NoCase {
			s = fmt.Sprintf("%q nocase", p.Bytes)
		}
		fmt.Fprintf(&out, "rule p%d { strings: $a = %s condition: $a }\n", i, s)
	}
	return out.String()
}

func writeRules(b *testing.B) string {
	at := filepath.Join(b.TempDir(), "rules.yar")
	if err := os.WriteFile(at, []byte(ruleText(b)), 0o600); err != nil {
		b.Fatal(err)
	}
	return at
}

// someFiles are the first regular files below a folder, up to a size.
func someFiles(b *testing.B) (out []string, size int64) {
	err := filepath.WalkDir(enginesFrom, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.ContainsRune(p, '\n') {
			return nil
		}
		if i, err := d.Info(); err == nil && i.Size() > 0 && i.Size() < 64<<20 {
			out = append(out, p)
			if size += i.Size(); size > enginesBytes {
				return fs.SkipAll
			}
		}
		return nil
	})
	if err != nil || len(out) == 0 {
		b.Fatal(err, "no files in "+enginesFrom)
	}
	return out, size
}

var piece = make([]byte, 256<<10)

// eachFile reads files piece by piece.
func eachFile(b *testing.B, files []string, f func([]byte)) {
	for _, name := range files {
		r, err := os.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		for {
			n, err := r.Read(piece)
			f(piece[:n])
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		_ = r.Close()
	}
}

func wholeFiles(b *testing.B, files []string, rules *yara.Rules) {
	var whole []byte
	for _, name := range files {
		whole = whole[:0]
		eachFile(b, []string{name}, func(p []byte) { whole = append(whole, p...) })
		if _, err := rules.Scan(whole); err != nil && !errors.Is(err, yara.ErrTooMuch) {
			b.Fatal(err)
		}
	}
}

// onThread gives the CPU seconds of f; the benchmark does nothing else meanwhile.
func onThread(b *testing.B, f func()) float64 {
	before := used(b, syscall.RUSAGE_SELF)
	f()
	return used(b, syscall.RUSAGE_SELF) - before
}

func used(b *testing.B, who int) float64 {
	var ru syscall.Rusage
	if err := syscall.Getrusage(who, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
}

// cpuOf runs a command and gives its CPU seconds. A status other than 0 is an
// answer: both tools say by it what they found.
func cpuOf(b *testing.B, c *exec.Cmd) float64 {
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() > 0) {
		b.Fatal(err)
	}
	return (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
}
