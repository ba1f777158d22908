package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"demine/internal/store"
)

// BenchmarkLeaseWhole opens a lease and closes it as demine does it, with reading
// the host, finding the place, proof and records on the disk: when it is the only
// one, beside one other and beside a thousand, in turn, and then beside a thousand
// one after another. Medians, what they are of those beside one other, and the
// least disturbed tenth: of a machine that does other work the medians tell as much
// as of demine.
func BenchmarkLeaseWhole(b *testing.B) {
	if err := os.MkdirAll(store.RunDir, 0o700); err != nil { // each lessee mounts its own there
		b.Fatal(err)
	}
	beside := []int{0, 1, leasesInForce}
	var lessees []*lesseeHost
	for _, n := range beside {
		lessees = append(lessees, newLessee(b, n))
	}
	took := make([][3][]float64, len(beside)) // open, close, CPU in ms
	for b.Loop() {
		for i, l := range lessees {
			for j, x := range l.once() {
				took[i][j] = append(took[i][j], x)
			}
		}
	}
	var row [3][]float64
	for range len(took[0][0]) {
		for j, x := range lessees[len(lessees)-1].once() {
			row[j] = append(row[j], x)
		}
	}
	for j, what := range []string{"open", "close", "cpu"} {
		b.ReportMetric(middle(row[j]), what+"-row-ms")
		b.ReportMetric(quiet(row[j]), what+"-row-quiet-ms")
		one := middle(took[1][j])
		for i, n := range beside {
			b.ReportMetric(middle(took[i][j]), fmt.Sprintf("%s-%d-ms", what, n))
			b.ReportMetric(middle(took[i][j])/one, fmt.Sprintf("%s-%d-ratio", what, n))
			b.ReportMetric(quiet(took[i][j]), fmt.Sprintf("%s-%d-quiet-ms", what, n))
		}
	}
	b.ReportMetric(0, "ns/op")
}

type lesseeHost struct {
	b   *testing.B
	in  io.Writer
	out *bufio.Reader
}

func newLessee(b *testing.B, n int) *lesseeHost {
	h := newLeaseHost(b, fmt.Sprint("l", n), usualFilter)
	c := exec.Command("ip", "netns", "exec", h.name, os.Args[0], "-lessee", fmt.Sprint(n), "-state", b.TempDir()+"/state")
	c.Stderr = os.Stderr
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
	b.Cleanup(func() { in.Close(); _ = c.Wait() })
	l := &lesseeHost{b, in, bufio.NewReader(out)}
	if line, err := l.out.ReadString('\n'); line != "ready\n" {
		b.Fatalf("lessee beside %d: %q, %v", n, line, err)
	}
	return l
}

// once gives milliseconds of open, close, and of CPU for both.
func (l *lesseeHost) once() (ms [3]float64) {
	var us [3]float64
	fmt.Fprintln(l.in)
	if _, err := fmt.Fscanln(l.out, &us[0], &us[1], &us[2]); err != nil {
		l.b.Fatalf("lessee: %v", err)
	}
	for i := range us {
		ms[i] = us[i] / 1000
	}
	return ms
}
