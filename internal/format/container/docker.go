package container

import (
	"maps"
	"slices"
	"strings"

	"demine/internal/fact"
)

type dockerConfig struct {
	Created, Path, Name, Image string // Image is the id
	Args                       []string
	State                      struct {
		Running   bool
		Pid       int
		StartedAt string
	}
	Config struct {
		Image  string
		Labels map[string]string
	}
	MountPoints map[string]struct{ Source string }
}

type dockerHost struct {
	Binds                []string
	NetworkMode, PidMode string
	Privileged           bool
	RestartPolicy        struct{ Name string }
}

// Docker reads a container's config.v2.json, and its hostconfig.json if there
// is one. PID is as it was when the file was written.
func Docker(config, hostConfig []byte) (fact.Container, error) {
	c := fact.Container{Runtime: "docker"}
	var d dockerConfig
	if err := decode(config, &d); err != nil {
		return c, err
	}
	c.Name, c.Image, c.ImageID = clip(strings.TrimPrefix(d.Name, "/")), clip(d.Config.Image), clip(d.Image)
	labelled(&c, d.Config.Labels)
	if d.Path != "" {
		c.Argv = argv(append([]string{d.Path}, d.Args...))
	}
	c.Created = moment(d.Created)
	if d.State.Running {
		c.Started, c.PID = moment(d.State.StartedAt), max(0, d.State.Pid)
	}
	for _, to := range slices.Sorted(maps.Keys(d.MountPoints)) {
		mount(&c, d.MountPoints[to].Source)
	}
	if hostConfig == nil {
		return c, nil
	}
	var h dockerHost
	if err := decode(hostConfig, &h); err != nil {
		return c, err
	}
	for _, b := range h.Binds {
		from, _, _ := strings.Cut(b, ":")
		mount(&c, from)
	}
	c.Restart = clip(h.RestartPolicy.Name)
	c.Privileged, c.HostPID, c.HostNet = h.Privileged, h.PidMode == "host", h.NetworkMode == "host"
	return c, nil
}

// DataRoot gives the folder in which a daemon.json tells Docker to keep its
// state; empty when it does not.
func DataRoot(daemon []byte) fact.Path {
	var d map[string]any
	if decode(daemon, &d) != nil {
		return ""
	}
	for _, key := range []string{"data-root", "graph"} {
		if s, ok := d[key].(string); ok && strings.HasPrefix(s, "/") && len(s) < maxText {
			return fact.Path(s)
		}
	}
	return ""
}
