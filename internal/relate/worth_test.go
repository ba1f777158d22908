package relate

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// TestWorthRemembering: whose memory is searched, the busiest first. Workers of
// one program of the system are one; scripts and strangers are not.
func TestWorthRemembering(t *testing.T) {
	s := &fact.Snapshot{File: []fact.File{
		{Ref: fact.FileRef("/usr/sbin/php-fpm8.2"), Path: "/usr/sbin/php-fpm8.2", Package: "php8.2-fpm"},
		{Ref: fact.FileRef("/usr/bin/python3.11"), Path: "/usr/bin/python3.11", Package: "python3.11"},
	}}
	add := func(pid int, exe fact.Path, ino uint64, cpu float64, args ...string) {
		s.Process = append(s.Process, fact.Process{Ref: fact.Ref(fmt.Sprintf("process:%d", pid)), PID: pid, Exe: exe, ExeFile: fact.FileRef(exe),
			ExeID: fact.FileID{Ino: ino}, Argv: append([]string{string(exe)}, args...), CPULife: cpu})
	}
	add(10, "/usr/sbin/php-fpm8.2", 1, 20)
	add(11, "/usr/sbin/php-fpm8.2", 1, 60)
	add(12, "/usr/sbin/php-fpm8.2", 1, 40)
	add(20, "/usr/bin/python3.11", 2, 30, "/opt/a.py")
	add(21, "/usr/bin/python3.11", 2, 29, "/tmp/b.py")
	add(22, "/usr/bin/python3.11", 2, 28, "/opt/a.py")
	add(30, "/var/tmp/x", 3, 50)
	add(31, "/var/tmp/x", 3, 49)
	add(40, "/var/tmp/y", 4, 0)
	add(41, "/var/tmp/y", 4, 0)
	add(50, "/usr/bin/sleep", 5, 0)
	want := []fact.Ref{"process:11", "process:30", "process:31", "process:20", "process:21", "process:40"}
	l := WorthALook(New(s))
	if d := cmp.Diff(want, l.Memory); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]fact.Ref{"process:30", "process:31", "process:21"}, l.Whole); d != "" {
		t.Error("whole:", d)
	}
}
