package proc

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestThread(t *testing.T) {
	for list, want := range map[string]int{"3": 1, "0-3": 4, "0-1,4,6-7": 5, "": 0, "x": 0, "5-2": 0, "0-99999999": 0, "0-8191": 8192, "0-8191,0-8191": 8192} {
		got := Thread([]byte("Cpus_allowed:\tf\nCpus_allowed_list:\t" + list + "\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n"))
		if got != (ThreadInfo{CPUs: want, Voluntary: 150}) {
			t.Errorf("%q: %+v, want %d CPUs", list, got, want)
		}
	}
}

func TestPolicy(t *testing.T) {
	head := "7 (a) b) S" + strings.Repeat(" 1", 37)
	for in, want := range map[string]int{"": -1, "7 (x) S 1": -1, head + " 5 0 0": 5, head + " 0": 0, head + " 99": -1, head + " -1": -1} {
		if got := Policy([]byte(in)); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func TestThreadHere(t *testing.T) {
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	if got := Thread(b); got.CPUs < 1 || got.CPUs < runtime.NumCPU() {
		t.Errorf("%+v on %d CPUs", got, runtime.NumCPU())
	}
	if got := Status(b); got.TGID != os.Getpid() {
		t.Errorf("Tgid %d, want %d", got.TGID, os.Getpid())
	}
	b, err = os.ReadFile("/proc/thread-self/stat")
	if err != nil {
		t.Fatal(err)
	}
	if got := Policy(b); got < 0 {
		t.Errorf("policy %d", got)
	}
}

func FuzzThread(f *testing.F) {
	f.Add([]byte("Cpus_allowed_list:\t0-3,8\nvoluntary_ctxt_switches:\t1\n"))
	f.Add([]byte(statLine))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := Thread(b).CPUs; n < 0 || n > maxCPUs {
			t.Fatal(n)
		}
		if p := Policy(b); p < -1 || p > 7 {
			t.Fatal(p)
		}
	})
}
