package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// lockWait traces how long a thread sleeps for locks of the kernel: from where
// it meets one that is held until it is woken because it got it. What comes
// after, until a CPU takes it up again, is nobody's lock: on a virtual machine
// that is often longer than all else.
type lockWait struct {
	b   *testing.B
	dir string // an instance of tracefs, ours alone
}

// traceLocks needs tracefs with lock:contention_begin (Linux 5.19).
func traceLocks(b *testing.B, pid int) *lockWait {
	root := b.TempDir()
	if err := syscall.Mount("tracefs", root, "tracefs", 0, ""); err != nil {
		b.Fatalf("mount tracefs: %v", err)
	}
	b.Cleanup(func() { _ = syscall.Unmount(root, 0) })
	dir := filepath.Join(root, "instances", fmt.Sprintf("demine-bench-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.Remove(dir) })
	l := &lockWait{b, dir}
	l.write("trace_clock", "mono")
	l.write("events/lock/contention_begin/filter", fmt.Sprintf("common_pid == %d", pid))
	l.write("events/sched/sched_switch/filter", fmt.Sprintf("prev_pid == %d && prev_state != 0", pid))
	l.write("events/sched/sched_wakeup/filter", fmt.Sprintf("pid == %d", pid))
	for _, e := range []string{"lock/contention_begin", "sched/sched_switch", "sched/sched_wakeup"} {
		l.write("events/"+e+"/enable", "1")
	}
	return l
}

func (l *lockWait) write(name, text string) {
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0); err != nil {
		l.b.Fatal(err)
	}
}

// traced is a line of the trace: its time in seconds, the event, what it says.
var traced = regexp.MustCompile(`^.*\s(\d+\.\d+): (contention_begin|sched_switch|sched_wakeup): (.*)$`)

// longest gives the longest sleep for a lock since it was asked last, in
// microseconds.
func (l *lockWait) longest() float64 {
	text, err := os.ReadFile(filepath.Join(l.dir, "trace"))
	if err != nil {
		l.b.Fatal(err)
	}
	l.write("trace", "")
	var met, worst float64
	asleep := false
	for line := range strings.Lines(string(text)) {
		m := traced.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		at, _ := strconv.ParseFloat(m[1], 64)
		switch m[2] {
		case "contention_begin":
			met, asleep = at, false
		case "sched_switch":
			asleep = met > 0
		case "sched_wakeup":
			if asleep {
				worst = max(worst, at-met)
			}
			met, asleep = 0, false
		}
	}
	return worst * 1e6
}
