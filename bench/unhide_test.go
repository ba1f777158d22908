package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// hiding starts a process in a pid and a mount namespace of its own, covers its
// folder with a mount, tells its number and runs the rest of the line. Numbers
// go up to four million, as on any 64-bit host with systemd; that needs Linux
// 6.14, where pid_max is the namespace's.
const hiding = `echo 4194304 >/proc/sys/kernel/pid_max
test "$(cat /proc/sys/kernel/pid_max)" = 4194304
"$1" & shift
mount -t tmpfs none /proc/$!
echo "hidden: $!"
set +e
"$@"
status=$?
kill $!
exit $status`

// BenchmarkUnhide sets demine's whole look against Debian's unhide, in turn on
// the same host, with a process that a mount hides.
func BenchmarkUnhide(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Fatal("run it as root: both look at everything then")
	}
	dir := b.TempDir()
	demine, idle := build(b, dir, "demine", "./cmd/demine"), build(b, dir, "netd", "./lab/idle")
	tools := []struct {
		name string
		argv []string
		says string // of the process, with its number
	}{
		{"demine", []string{demine, "scan"}, `mounted over\s+/proc/%`},
		{"unhide-sys", []string{"unhide", "sys"}, `Found HIDDEN PID: %\b`},
		{"unhide-quick", []string{"unhide", "quick"}, `Found HIDDEN PID: %\b`},
	}
	ours, wall := 0.0, 0.0
	for i, tool := range tools {
		var costs []cost
		for range hunts {
			c, _ := unmask(b, idle, tool.argv, tool.says)
			costs = append(costs, c)
		}
		cpu := median(costs, func(c cost) int64 { return c.CPU })
		b.ReportMetric(cpu, tool.name+"-cpu-ms")
		b.ReportMetric(median(costs, func(c cost) int64 { return c.Wall }), tool.name+"-wall-ms")
		if i == 0 {
			ours = cpu
		} else {
			b.ReportMetric(cpu/max(1, ours), tool.name+"/demine")
		}
		if tool.name == "unhide-sys" {
			wall = median(costs, func(c cost) int64 { return c.Wall })
		}
	}
	alone := searchAlone(b, demine, idle)
	b.ReportMetric(alone, "demine-search-ms")
	b.ReportMetric(wall/max(0.1, alone), "unhide-sys-wall/search")
	b.ReportMetric(0, "ns/op")
	for range b.N { // the figures are the metrics, not the loop
	}
}

// searchAlone is how many milliseconds of a look are spent on the processes and
// on those that hide among them; all else in it unhide does not do.
func searchAlone(b *testing.B, demine, idle string) float64 {
	var all []float64
	for range hunts {
		_, out := unmask(b, idle, []string{demine, "scan", "--json"}, `(?s)"evasion/proc-covered".*/%@`)
		var s struct {
			Coverage []struct {
				Observer string
				TookUS   int64 `json:"took_us"`
			}
		}
		if err := json.NewDecoder(bytes.NewReader(out[bytes.IndexByte(out, '{'):])).Decode(&s); err != nil {
			b.Fatal(err)
		}
		sum := 0.0
		for _, c := range s.Coverage {
			if c.Observer == "process" || c.Observer == "hidden" {
				sum += float64(c.TookUS) / 1000
			}
		}
		all = append(all, sum)
	}
	return middle(all)
}

// hunts: one of unhide takes half a minute.
const hunts = 3

var hiddenRE = regexp.MustCompile(`hidden: (\d+)`)

// unmask runs one tool beside a hidden process and fails when it does not find it.
func unmask(b *testing.B, idle string, argv []string, says string) (cost, []byte) {
	c := exec.Command("unshare", append([]string{"--mount", "--pid", "--fork", "--mount-proc", "sh", "-euc", hiding, "sh", idle}, argv...)...)
	c.Dir = filepath.Dir(idle)
	begin := time.Now()
	out, err := c.CombinedOutput()
	took := time.Since(begin)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		b.Fatal(err)
	}
	m := hiddenRE.FindSubmatch(out)
	if m == nil {
		b.Fatalf("no process was hidden: %v\n%s", err, out)
	}
	if !regexp.MustCompile(strings.ReplaceAll(says, "%", string(m[1]))).Match(out) {
		b.Fatalf("%v does not find process %s:\n%s", argv, m[1], out)
	}
	s := c.ProcessState
	return cost{Wall: took.Milliseconds(), CPU: (s.UserTime() + s.SystemTime()).Milliseconds()}, out
}
