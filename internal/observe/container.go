package observe

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	state "demine/internal/format/container"
	"demine/internal/host"
)

var container = &Observer{
	Name:  "container",
	Doc:   "containers of Docker, containerd, Kubernetes and Podman, from the state files of their runtimes",
	Sees:  []string{fact.KindContainer},
	Needs: []string{"process"},
	Reads: []string{
		"/etc/docker/daemon.json", "/var/lib/docker/containers", "/var/lib/docker/containers/*/*",
		"/var/snap/docker/common/var-lib-docker/containers", "/var/snap/docker/common/var-lib-docker/containers/*/*",
		"/run/containerd/**", "/run/k3s/containerd/**", "/run/docker/containerd/**", "/run/containers/storage/**",
		"/var/lib/containers/storage/overlay-containers/**",
	},
	See: seeContainers,
}

// Bounds: a state file is some 10 KiB; the busiest hosts run hundreds.
const (
	maxState      = 1 << 20
	maxContainers = 1 << 10
)

// Where runtimes keep their state, when nothing says otherwise.
var (
	dockerRoots = []fact.Path{"/var/lib/docker", "/var/snap/docker/common/var-lib-docker"}
	taskRoots   = []fact.Path{"/run/containerd", "/run/k3s/containerd", "/run/docker/containerd/daemon"}
	podRoots    = []fact.Path{"/var/lib/containers/storage/overlay-containers", "/run/containers/storage/overlay-containers"}
)

// tasks are the folders of containerd's running containers, NAMESPACE/ID below
// them: since 1.3, and before (Docker 18 and 19).
var tasks = []fact.Path{"io.containerd.runtime.v2.task", "io.containerd.runtime.v1.linux"}

func seeContainers(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	r := containerReader{v: v, found: map[string]*fact.Container{}}
	r.docker(in)
	r.containerd(in)
	r.podman()
	r.part.Absent = !r.present
	running := map[string]bool{}
	pids := map[int]string{}
	for i := range in.Process {
		p := &in.Process[i]
		running[p.Container] = true
		pids[p.PID] = p.Container
	}
	for _, id := range r.order {
		c := r.found[id]
		c.ID, c.Ref = id, fact.ContainerRef(id)
		if pids[c.PID] != id {
			c.PID = 0 // what the file says is of the past
		}
		c.Running = c.PID != 0 || running[id]
		r.part.Container = append(r.part.Container, *c)
	}
	return r.part, ctx.Err()
}

type containerReader struct {
	v       *View
	part    Part
	present bool // there is a runtime
	found   map[string]*fact.Container
	order   []string
}

// add takes what one file says of a container.
func (r *containerReader) add(id string, c fact.Container, from fact.Path) {
	if old := r.found[id]; old != nil {
		*old = state.Merge(*old, c)
		return
	}
	if len(r.order) == maxContainers {
		r.part.Gaps = append(r.part.Gaps, fact.Gap{Code: "too-many", What: "containers"})
		return
	}
	c.Origin = fact.Origin{Path: from}
	r.found[id] = &c
	r.order = append(r.order, id)
}

func (r *containerReader) read(at fact.Path) ([]byte, bool) {
	r.v.Allow(at)
	b, _, ok := r.part.read(r.v, at, maxState)
	return b, ok
}

// below lists a folder of a runtime.
func (r *containerReader) below(dir fact.Path) []fact.Path {
	r.v.Allow(dir)
	if exists(r.v, dir) {
		r.present = true
	}
	return r.part.list(r.v, dir)
}

func (r *containerReader) docker(in *fact.Snapshot) {
	roots := slices.Clone(dockerRoots)
	if b, ok := r.read("/etc/docker/daemon.json"); ok {
		roots = append(roots, state.DataRoot(b))
	}
	for i := range in.Process {
		roots = append(roots, daemonRoot(&in.Process[i]))
	}
	slices.Sort(roots)
	for _, root := range slices.Compact(roots) {
		if root == "" {
			continue
		}
		for _, dir := range r.below(root + "/containers") {
			b, ok := r.read(dir + "/config.v2.json")
			if !ok {
				continue
			}
			more, _ := r.read(dir + "/hostconfig.json")
			c, err := state.Docker(b, more)
			r.part.gap(dir, err)
			r.add(path.Base(string(dir)), c, dir+"/config.v2.json")
		}
	}
}

// ofHostRoot: only root's runtimes are believed where their files lie; anyone
// else could make a folder that looks like one.
func ofHostRoot(p *fact.Process) bool { return p.UID == 0 && p.Container == "" }

// daemonRoot is where a running dockerd was told to keep its state.
func daemonRoot(p *fact.Process) fact.Path {
	if path.Base(string(p.Exe)) != "dockerd" || !ofHostRoot(p) {
		return ""
	}
	for i, a := range p.Argv {
		for _, name := range []string{"--data-root", "--graph", "-g"} {
			value, ok := strings.CutPrefix(a, name+"=")
			if a == name && i+1 < len(p.Argv) {
				value, ok = p.Argv[i+1], true
			}
			if ok && strings.HasPrefix(value, "/") {
				return fact.Path(path.Clean(value))
			}
		}
	}
	return ""
}

// containerd looks where it keeps its tasks, and where its shims run: each
// runs in the bundle of its container.
func (r *containerReader) containerd(in *fact.Snapshot) {
	var roots []fact.Path
	for _, t := range tasks {
		for _, root := range taskRoots {
			roots = append(roots, root+"/"+t)
		}
		for i := range in.Process {
			p := &in.Process[i]
			if root, _, ok := strings.Cut(string(p.Cwd), "/"+string(t)+"/"); ok && ofHostRoot(p) {
				roots = append(roots, fact.Path(root)+"/"+t)
			}
		}
	}
	slices.Sort(roots)
	for _, root := range slices.Compact(roots) {
		for _, ns := range r.below(root) {
			for _, bundle := range r.below(ns) {
				r.task(bundle, path.Base(string(ns)))
			}
		}
	}
}

func (r *containerReader) task(bundle fact.Path, ns string) {
	b, ok := r.read(bundle + "/config.json")
	if !ok {
		return
	}
	c, err := state.Spec(b, bundle)
	r.part.gap(bundle+"/config.json", err)
	c.Runtime, c.PID = "containerd", r.pid(bundle+"/init.pid")
	if ns == "moby" {
		c.Runtime = "docker"
	}
	r.add(path.Base(string(bundle)), c, bundle+"/config.json")
}

func (r *containerReader) pid(at fact.Path) int {
	b, ok := r.read(at)
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// podman reads what containers/storage keeps, for CRI-O too: one folder holds
// what stays, the other what a reboot ends.
func (r *containerReader) podman() {
	for _, root := range podRoots {
		if !exists(r.v, root) {
			continue
		}
		r.present = true
		list := host.Join(root, "containers.json")
		if b, ok := r.read(list); ok {
			all, err := state.Stored(b)
			r.part.gap(list, err)
			for _, c := range all {
				r.add(c.ID, c, list)
			}
		}
	}
	for _, id := range slices.Clone(r.order) {
		if r.found[id].Runtime != "podman" {
			continue
		}
		for _, root := range podRoots {
			at := root + "/" + fact.Path(id) + "/userdata"
			if b, ok := r.read(at + "/config.json"); ok {
				c, err := state.Spec(b, at)
				r.part.gap(at+"/config.json", err)
				r.add(id, c, at)
			}
			r.add(id, fact.Container{PID: r.pid(at + "/pidfile")}, at)
		}
	}
}
