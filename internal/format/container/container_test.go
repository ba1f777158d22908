package container

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

const dockerText = `{"StreamConfig":{},"State":{"Running":true,"Paused":false,"Pid":4321,"StartedAt":"2026-11-22T10:00:01.5Z"},
"ID":"x","Created":"2026-11-22T10:00:00.1Z","Path":"/entry.sh","Args":["--token","S3cret","run"],
"Config":{"Image":"evil/web:latest","Env":["MYSQL_ROOT_PASSWORD=S3cret"],"Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"web"}},
"Image":"sha256:abc","Name":"/web","MountPoints":{"/b":{"Source":"/srv/b"},"/a":{"Source":"/var/run/docker.sock"}}}`

const dockerHostText = `{"Binds":["/:/mnt:rw","data:/data"],"NetworkMode":"host","PidMode":"host","Privileged":true,"RestartPolicy":{"Name":"always","MaximumRetryCount":0}}`

const specText = `{"ociVersion":"1.0.2","process":{"args":["/bin/miner","-p","x"],"env":["KEY=S3cret"],"capabilities":{"bounding":["CAP_CHOWN","CAP_SYS_ADMIN","CAP_SYS_MODULE"]}},
"root":{"path":"rootfs"},"mounts":[{"type":"proc","source":"proc"},{"type":"bind","source":"/var/lib/kubelet/pods/u/volumes"}],
"annotations":{"io.kubernetes.cri.container-name":"web","io.kubernetes.cri.image-name":"docker.io/evil:1","io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.sandbox-namespace":"prod"},
"linux":{"namespaces":[{"type":"mount"},{"type":"network"}]}}`

const storedText = `[{"id":"aa","names":["web"],"image":"ff","metadata":"{\"image-name\":\"quay.io/x:1\",\"name\":\"other\",\"created-at\":1795342800}"},{"id":"bb","metadata":"no json","created":"2026-11-22T10:00:00Z"}]`

func TestRead(t *testing.T) {
	docker, err := Docker([]byte(dockerText), []byte(dockerHostText))
	check(t, err, docker, fact.Container{
		Name: "web", Runtime: "docker", Image: "evil/web:latest", ImageID: "sha256:abc", Project: "shop", Service: "web", Restart: "always",
		Privileged: true, HostPID: true, HostNet: true, PID: 4321, Argv: []string{"/entry.sh", "--token", "***", "run"},
		Mounts:  []fact.Path{"/var/run/docker.sock", "/srv/b", "/"},
		Created: time.Date(2026, 11, 22, 10, 0, 0, 1e8, time.UTC), Started: time.Date(2026, 11, 22, 10, 0, 1, 5e8, time.UTC),
	})
	spec, err := Spec([]byte(specText), "/run/b")
	check(t, err, spec, fact.Container{
		Name: "web", Image: "docker.io/evil:1", Pod: "prod/web-0", Privileged: true, HostPID: true,
		Argv: []string{"/bin/miner", "-p", "x"}, Root: "/run/b/rootfs", Mounts: []fact.Path{"/var/lib/kubelet/pods/u/volumes"},
	})
	stored, err := Stored([]byte(storedText))
	check(t, err, stored, []fact.Container{
		{ID: "aa", Runtime: "podman", Name: "web", Image: "quay.io/x:1", ImageID: "ff", Created: time.Date(2026, 11, 22, 10, 20, 0, 0, time.UTC)},
		{ID: "bb", Runtime: "podman", Created: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)},
	})
}

// What is stopped has no process; a field of another type does not spoil the
// rest; what is no JSON is an error.
func TestOdd(t *testing.T) {
	c, err := Docker([]byte(`{"State":{"Running":false,"Pid":9,"StartedAt":"0001-01-01T00:00:00Z"},"Name":["a"],"Image":"i"}`), nil)
	check(t, err, c, fact.Container{Runtime: "docker", ImageID: "i"})
	for _, b := range []string{"", "{", "nul", "\xff"} {
		if _, err := Docker([]byte(b), nil); err == nil {
			t.Errorf("%q is taken", b)
		}
	}
	if got := DataRoot([]byte(`{"data-root":"/data/docker","hosts":["unix://"]}`)); got != "/data/docker" {
		t.Errorf("data-root: %q", got)
	}
	if got := DataRoot([]byte(`{"data-root":7,"graph":"rel"}`)); got != "" {
		t.Errorf("data-root: %q", got)
	}
}

func TestMerge(t *testing.T) {
	docker, _ := Docker([]byte(dockerText), nil)
	spec, _ := Spec([]byte(specText), "/run/b")
	c := Merge(docker, spec)
	if c.Name != "web" || c.Root != "/run/b/rootfs" || !c.Privileged || len(c.Mounts) != 3 || c.PID != 4321 {
		t.Errorf("%+v", c)
	}
}

func check(t *testing.T, err error, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

// What gets out is not long, and can be written down.
func FuzzRead(f *testing.F) {
	for _, s := range []string{dockerText, dockerHostText, specText, storedText, `{"data-root":"/x"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		docker, _ := Docker(b, b)
		spec, _ := Spec(b, "/b")
		all, _ := Stored(b)
		DataRoot(b)
		for _, c := range append(all, docker, spec, Merge(docker, spec)) {
			if _, err := json.Marshal(c); err != nil {
				t.Fatal(err)
			}
			if len(c.Argv) > maxArgs || len(c.Mounts) > maxMounts || len(c.Name) > maxText+3 {
				t.Errorf("too long: %d arguments, %d mounts", len(c.Argv), len(c.Mounts))
			}
		}
	})
}
