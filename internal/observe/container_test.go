package observe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"demine/internal/fact"
)

// One host with all runtimes: a compose service of a Docker whose data lies
// elsewhere, a pod of containerd, a shim whose folder nobody would guess, and
// Podman.
func TestContainers(t *testing.T) {
	const (
		web  = "aa00000000000000000000000000000000000000000000000000000000000000"
		pod  = "bb00000000000000000000000000000000000000000000000000000000000000"
		odd  = "cc00000000000000000000000000000000000000000000000000000000000000"
		more = "ff00000000000000000000000000000000000000000000000000000000000000"
		pots = "dd00000000000000000000000000000000000000000000000000000000000000"
		old  = "ee00000000000000000000000000000000000000000000000000000000000000"
	)
	base := initAnd(
		fact.Process{PID: 50, Ref: "process:50", Exe: "/usr/bin/containerd-shim", Cwd: "/odd/io.containerd.runtime.v1.linux/x/" + odd},
		fact.Process{PID: 51, UID: 1000, Ref: "process:51", Cwd: "/forged/io.containerd.runtime.v2.task/moby/" + web},
		fact.Process{PID: 52, UID: 1000, Ref: "process:52", Exe: "/tmp/dockerd", Argv: []string{"dockerd", "--data-root=/forged"}},
		fact.Process{PID: 53, Ref: "process:53", Exe: "/usr/bin/dockerd", Argv: []string{"dockerd", "--data-root", "/other"}},
		fact.Process{PID: 101, Ref: "process:101", Container: web},
		fact.Process{PID: 102, Ref: "process:102", Container: pod},
		fact.Process{PID: 104, Ref: "process:104", Container: pots},
		fact.Process{PID: 105, Ref: "process:105", Comm: "another"},
	)
	s, c := lookAt(t, "containers", base, container)
	if !c.Complete() || c.State == fact.Absent {
		t.Errorf("%+v", c)
	}
	got := map[string]fact.Container{}
	for _, x := range s.Container {
		got[x.ID] = x
	}
	want := map[string]fact.Container{
		web: {Runtime: "docker", Name: "web", Image: "shop/web:3", Project: "shop", Service: "web", Restart: "always", Privileged: true,
			PID: 101, Running: true, Root: "/data/docker/overlay2/f/merged", Argv: []string{"/start", "--password=***"}, Mounts: []fact.Path{"/var/run/docker.sock"},
			Origin: fact.Origin{Path: "/data/docker/containers/" + web + "/config.v2.json"}},
		old: {Runtime: "docker", Name: "old", Origin: fact.Origin{Path: "/data/docker/containers/" + old + "/config.v2.json"}},
		pod: {Runtime: "containerd", Name: "app", Pod: "prod/app-0", Image: "app:1", PID: 102, Running: true,
			Root:   "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + fact.Path(pod) + "/rootfs",
			Origin: fact.Origin{Path: "/run/containerd/io.containerd.runtime.v2.task/k8s.io/" + pod + "/config.json"}},
		more: {Runtime: "docker", Name: "more", Origin: fact.Origin{Path: "/other/containers/" + more + "/config.v2.json"}},
		odd:  {Runtime: "containerd", Argv: []string{"/x"}, Origin: fact.Origin{Path: "/odd/io.containerd.runtime.v1.linux/x/" + odd + "/config.json"}},
		pots: {Runtime: "podman", Name: "pots", Image: "quay.io/pots:2", Argv: []string{"/pots"}, PID: 104, Running: true,
			Origin: fact.Origin{Path: "/var/lib/containers/storage/overlay-containers/containers.json"}},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(fact.Container{}, "ID", "Ref"), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestContainersAbsent(t *testing.T) {
	if _, c := lookAt(t, "cron-debian", initAnd(), container); c.State != fact.Absent {
		t.Errorf("%+v", c)
	}
}
