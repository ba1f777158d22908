package relate

import (
	"strings"
	"testing"

	"demine/internal/fact"
)

// A process belongs to the container that its cgroup names, or whose first
// process it comes from.
func TestContainerOf(t *testing.T) {
	id, other := strings.Repeat("ab", 32), strings.Repeat("cd", 32)
	x := New(&fact.Snapshot{
		Container: []fact.Container{
			{ID: id, Ref: fact.ContainerRef(id), PID: 100, Root: "/data/merged"},
			{ID: other, Ref: fact.ContainerRef(other)},
		},
		Process: []fact.Process{
			{PID: 1, Exe: "/sbin/init"}, {PID: 100, PPID: 1, Container: id, Exe: "/bin/web"},
			{PID: 101, PPID: 100, Container: id[:12], Exe: "/tmp/x", ExeDeleted: true},
			{PID: 102, PPID: 100, Exe: "/tmp/y"}, // it left its cgroup
			{PID: 103, PPID: 1, Container: other, Exe: "/../tmp/z"},
			{PID: 104, PPID: 1, Container: strings.Repeat("ef", 32), Exe: "/tmp/w"}, // nothing is known of it
			{PID: 105, PPID: 1, Container: "web", Exe: "/tmp/v"},                    // LXC's
		},
	})
	for pid, want := range map[int]struct {
		id   string
		path fact.Path
	}{
		1: {"", "/sbin/init"}, 100: {id, "/data/merged/bin/web"}, 101: {id, "/proc/101/root/tmp/x"}, 102: {id, "/data/merged/tmp/y"},
		103: {other, "/proc/103/root/tmp/z"}, 104: {"", "/proc/104/root/tmp/w"}, 105: {"", "/proc/105/root/tmp/v"},
	} {
		got := ""
		if c := x.ContainerOf(x.PID(pid)); c != nil {
			got = c.ID
		}
		if at := x.HostPath(x.PID(pid)); got != want.id || at != want.path {
			t.Errorf("%d: container %q, at %s; want %q, at %s", pid, got, at, want.id, want.path)
		}
	}
}

// Root in a container is the host's root if the container is not kept from it.
func TestConfined(t *testing.T) {
	id := strings.Repeat("ab", 32)
	for name, c := range map[string]struct {
		box  fact.Container
		want bool
	}{
		"plain":      {fact.Container{Mounts: []fact.Path{"/var/lib/docker/volumes/x/_data", "/etc/localtime", "/srv/app"}}, true},
		"host net":   {fact.Container{HostNet: true}, true},
		"privileged": {fact.Container{Privileged: true}, false},
		"host pid":   {fact.Container{HostPID: true}, false},
		"host root":  {fact.Container{Mounts: []fact.Path{"/srv/app", "/"}}, false},
		"cron":       {fact.Container{Mounts: []fact.Path{"/var/spool/cron/"}}, false},
		"docker":     {fact.Container{Mounts: []fact.Path{"/var/run/docker.sock"}}, false},
	} {
		c.box.ID = id
		x := New(&fact.Snapshot{Container: []fact.Container{c.box}, Process: []fact.Process{{PID: 100, Container: id}}})
		if got := x.Confined(x.PID(100)); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	x := New(&fact.Snapshot{Process: []fact.Process{{PID: 1}, {PID: 100, Container: id}}})
	if x.Confined(x.PID(1)) || !x.Confined(x.PID(100)) || x.Confined(nil) {
		t.Error("without a container that is known")
	}
}

func TestFlows(t *testing.T) {
	x := New(&fact.Snapshot{
		Process: []fact.Process{{PID: 5, Ref: "process:5"}, {PID: 6, Ref: "process:6"}},
		Flow:    []fact.Flow{{Process: "process:6", Peer: "a"}, {Process: "process:6", Peer: "b"}},
	})
	if n := len(x.Flows(x.PID(5))); n != 0 {
		t.Errorf("%d flows of another process", n)
	}
	if got := x.Flows(x.PID(6)); len(got) != 2 || got[1].Peer != "b" {
		t.Errorf("%v", got)
	}
}
