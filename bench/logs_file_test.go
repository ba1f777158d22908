package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

// BenchmarkLogFile reads a log of 1 GiB and one of 10 GiB from a disk: the most
// memory that the process ever had (VmHWM) is the same. A file of 10 GiB is
// written and removed again.
func BenchmarkLogFile(b *testing.B) {
	for _, k := range logKinds {
		if k.name != "auth-guessed" && k.name != "access-scanned" {
			continue // those in which most is found
		}
		f, err := os.Create(filepath.Join(b.TempDir(), k.name))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		if _, err := io.Copy(f, &again{b: lines(k.line), left: 10 << 30}); err != nil {
			b.Fatal(err)
		}
		for _, gib := range []int64{1, 10} {
			b.Run(fmt.Sprintf("%s-%dGiB", k.name, gib), func(b *testing.B) {
				forgetPeak(b)
				before := cpuTime()
				b.SetBytes(gib << 30)
				for b.Loop() {
					reading(b, k.web)(io.NewSectionReader(f, 0, gib<<30))
				}
				b.ReportMetric(float64(b.N)*float64(gib<<30)/1e6/(cpuTime()-before).Seconds(), "MB/cpu-s")
				b.ReportMetric(peak(b), "MiB-VmHWM")
			})
		}
		if err := os.Remove(f.Name()); err != nil {
			b.Fatal(err)
		}
	}
}

// forgetPeak makes VmHWM count anew (proc(5), clear_refs).
func forgetPeak(b *testing.B) {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// peak is in MiB.
func peak(b *testing.B) (mib float64) {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kib int
	if _, err := fmt.Sscan(string(rest), &kib); err != nil {
		b.Fatal(err)
	}
	return float64(kib) / 1024
}
