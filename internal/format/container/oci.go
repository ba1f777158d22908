package container

import (
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
)

type ociSpec struct {
	Process struct {
		Args         []string
		Capabilities struct{ Bounding []string }
	}
	Root        struct{ Path string }
	Mounts      []struct{ Type, Source string }
	Annotations map[string]string
	Linux       struct {
		Namespaces  []struct{ Type string }
		MaskedPaths []string
	}
}

// Spec reads the runtime specification of a container in its bundle, a folder.
func Spec(config []byte, bundle fact.Path) (fact.Container, error) {
	var c fact.Container
	var s ociSpec
	if err := decode(config, &s); err != nil {
		return c, err
	}
	labelled(&c, s.Annotations)
	c.Argv = argv(s.Process.Args)
	switch p := clip(s.Root.Path); {
	case strings.HasPrefix(p, "/"):
		c.Root = fact.Path(p)
	case p != "" && !strings.Contains(p, ".."):
		c.Root = bundle + "/" + fact.Path(p)
	}
	for _, m := range s.Mounts {
		if m.Type == "bind" || m.Type == "none" {
			mount(&c, m.Source)
		}
	}
	own := func(kind string) bool {
		return slices.ContainsFunc(s.Linux.Namespaces, func(n struct{ Type string }) bool { return n.Type == kind })
	}
	if len(s.Linux.Namespaces) > 0 {
		c.HostPID, c.HostNet = !own("pid"), !own("network")
	}
	// What "privileged" means to Docker and to the CRI: every capability, nothing masked.
	caps := s.Process.Capabilities.Bounding
	c.Privileged = slices.Contains(caps, "CAP_SYS_ADMIN") && slices.Contains(caps, "CAP_SYS_MODULE") && len(s.Linux.MaskedPaths) == 0
	return c, nil
}

// Stored reads the containers.json of containers/storage: which container has
// which name and image.
func Stored(list []byte) ([]fact.Container, error) {
	var all []struct {
		ID, Image, Metadata, Created string
		Names                        []string
	}
	if err := decode(list, &all); err != nil {
		return nil, err
	}
	var out []fact.Container
	for _, x := range all {
		c := fact.Container{ID: clip(x.ID), Runtime: "podman", ImageID: clip(x.Image), Created: moment(x.Created)}
		var m struct {
			ImageName string `json:"image-name"`
			Name      string `json:"name"`
			CreatedAt int64  `json:"created-at"`
		}
		if decode([]byte(x.Metadata), &m) == nil {
			c.Image, c.Name = clip(m.ImageName), clip(m.Name)
			if c.Created.IsZero() && m.CreatedAt > 0 && m.CreatedAt < 1<<37 {
				c.Created = time.Unix(m.CreatedAt, 0).UTC()
			}
		}
		if len(x.Names) > 0 {
			c.Name = clip(x.Names[0])
		}
		out = append(out, c)
	}
	return out, nil
}
