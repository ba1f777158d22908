// Package container reads what container runtimes write down of the containers
// that they keep: Docker's config.v2.json and hostconfig.json (moby,
// container/container.go and api/types/container), the OCI runtime
// specification that runc and crun start from (opencontainers/runtime-spec,
// config.md), and the list of containers/storage (Podman, CRI-O). Environment
// variables are never taken over, secrets in arguments are masked.
package container

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/mask"
)

// Labels and annotations by which tools name what they made.
const (
	composeProject = "com.docker.compose.project"
	composeService = "com.docker.compose.service"
	podName        = "io.kubernetes.pod.name" // kubelet's, also of CRI-O
	podNamespace   = "io.kubernetes.pod.namespace"
	podContainer   = "io.kubernetes.container.name"
	criPrefix      = "io.kubernetes.cri." // containerd's
	crioImage      = "io.kubernetes.cri-o.ImageName"
)

// Bounds of what a fact carries.
const (
	maxText   = 1 << 10
	maxArgs   = 64
	maxMounts = 64
)

// decode reads JSON; a field of another type than expected is left empty.
func decode(b []byte, into any) error {
	err := json.Unmarshal(b, into)
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) {
		return nil
	}
	return err
}

// labelled takes what labels or annotations tell.
func labelled(c *fact.Container, labels map[string]string) {
	c.Project, c.Service = clip(labels[composeProject]), clip(labels[composeService])
	pod, ns, name := labels[podName], labels[podNamespace], labels[podContainer]
	if p := labels[criPrefix+"sandbox-name"]; p != "" {
		pod, ns, name = p, labels[criPrefix+"sandbox-namespace"], labels[criPrefix+"container-name"]
	}
	if pod != "" {
		c.Pod = clip(ns + "/" + pod)
	}
	if c.Name == "" {
		c.Name = clip(name)
	}
	if c.Image == "" {
		c.Image = clip(labels[criPrefix+"image-name"])
	}
	if c.Image == "" {
		c.Image = clip(labels[crioImage])
	}
}

func argv(words []string) []string {
	words = slices.Clone(words[:min(maxArgs, len(words))])
	for i := range words {
		words[i] = clip(words[i])
	}
	return mask.Argv(words)
}

// clip cuts a text; JSON's strings are valid UTF-8, and stay so.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}

// moment reads a time; Docker writes year 1 for never.
func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// mount adds the host's side of a mount, once.
func mount(c *fact.Container, source string) {
	p := fact.Path(clip(source))
	if strings.HasPrefix(source, "/") && len(c.Mounts) < maxMounts && !slices.Contains(c.Mounts, p) {
		c.Mounts = append(c.Mounts, p)
	}
}

// Merge adds to c what o knows of the same container and c does not.
func Merge(c, o fact.Container) fact.Container {
	text := func(have *string, other string) {
		if *have == "" {
			*have = other
		}
	}
	text(&c.Name, o.Name)
	text(&c.Runtime, o.Runtime)
	text(&c.Image, o.Image)
	text(&c.ImageID, o.ImageID)
	text(&c.Project, o.Project)
	text(&c.Service, o.Service)
	text(&c.Pod, o.Pod)
	text(&c.Restart, o.Restart)
	if c.Root == "" {
		c.Root = o.Root
	}
	if c.PID == 0 {
		c.PID = o.PID
	}
	if len(c.Argv) == 0 {
		c.Argv = o.Argv
	}
	for _, m := range o.Mounts {
		mount(&c, string(m))
	}
	if c.Created.IsZero() {
		c.Created = o.Created
	}
	if c.Started.IsZero() {
		c.Started = o.Started
	}
	c.Privileged, c.HostPID, c.HostNet = c.Privileged || o.Privileged, c.HostPID || o.HostPID, c.HostNet || o.HostNet
	return c
}
