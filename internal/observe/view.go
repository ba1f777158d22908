package observe

import (
	"fmt"
	"path"
	"strings"

	"demine/internal/fact"
	"demine/internal/host"
)

// View is the host as one observer may see it: it opens only what the observer
// says it reads, or what the facts that it follows name. Describing a file
// (Stat, Lstat, Readlink) is open to all.
type View struct {
	h      *host.Host
	o      *Observer
	follow map[fact.Path]bool
	homes  []fact.Path
}

// Host gives the kernel's side and the clock.
func (v *View) Host() *host.Host { return v.h }

func newView(h *host.Host, o *Observer, in *fact.Snapshot) *View {
	v := &View{h: h, o: o, follow: map[fact.Path]bool{}}
	for _, kind := range o.Follows {
		v.addFollowed(kind, in)
	}
	return v
}

// addFollowed collects the paths that facts of a kind name. Homes are folders:
// an account's files are looked for below them.
func (v *View) addFollowed(kind string, in *fact.Snapshot) {
	switch kind {
	case fact.KindProcess:
		for i := range in.Process {
			p := &in.Process[i]
			v.follow[p.Exe] = true
			for _, a := range p.Argv {
				if strings.HasPrefix(a, "/") {
					v.follow[fact.Path(a)] = true
				} else if p.Cwd != "" && a != "" {
					v.follow[host.Join(p.Cwd, a)] = true
				}
			}
		}
	case fact.KindAutostart:
		for i := range in.Autostart {
			for _, p := range in.Autostart[i].Shell.Paths {
				v.follow[p] = true
			}
			v.follow[in.Autostart[i].Origin.Path] = true
		}
	case fact.KindFile:
		for i := range in.File {
			v.follow[in.File[i].Path] = true
		}
	case fact.KindAccount:
		for i := range in.Account {
			if h := in.Account[i].Home; h != "" && h != "/" {
				v.homes = append(v.homes, h)
			}
		}
	case fact.KindService:
		for i := range in.Service {
			v.follow[in.Service[i].Config] = true
			for _, s := range in.Service[i].Settings {
				if strings.HasPrefix(s.Value, "/") {
					v.follow[fact.Path(s.Value)] = true
				}
			}
		}
	}
}

// Allow adds a path that the observer found named in a file which it may read
// (an Include, a config on a command line).
func (v *View) Allow(p fact.Path) { v.follow[p] = true }

func (v *View) may(p fact.Path) bool {
	if v.follow[p] {
		return true
	}
	for _, pat := range v.o.Reads {
		if matchPath(pat, string(p)) {
			return true
		}
	}
	for _, h := range v.homes {
		if strings.HasPrefix(string(p), string(h)+"/") {
			return true
		}
	}
	return false
}

func (v *View) refuse(p fact.Path) error {
	return fmt.Errorf("observer %s may not read %s", v.o.Name, p)
}

// matchPath matches * within a component and a final ** with any tail.
func matchPath(pattern, p string) bool {
	if head, ok := strings.CutSuffix(pattern, "/**"); ok {
		n := strings.Count(head, "/") + 1
		parts := strings.SplitN(p, "/", n+1)
		if len(parts) < n {
			return false
		}
		return matchPath(head, strings.Join(parts[:n], "/"))
	}
	ok, err := path.Match(pattern, p)
	return ok && err == nil
}

// ReadFile reads a regular file, at most limit bytes.
func (v *View) ReadFile(p fact.Path, limit int) ([]byte, host.Info, error) {
	if !v.may(p) {
		return nil, host.Info{}, v.refuse(p)
	}
	return v.h.Files.ReadFile(p, limit)
}

// ReadTail reads the end of a file.
func (v *View) ReadTail(p fact.Path, limit int) ([]byte, int64, error) {
	if !v.may(p) {
		return nil, 0, v.refuse(p)
	}
	return v.h.Files.ReadTail(p, limit)
}

// Open opens a regular file.
func (v *View) Open(p fact.Path) (host.File, host.Info, error) {
	if !v.may(p) {
		return nil, host.Info{}, v.refuse(p)
	}
	return v.h.Files.Open(p)
}

// OpenDir opens a directory.
func (v *View) OpenDir(p fact.Path) (host.Dir, error) {
	if !v.may(p) {
		return nil, v.refuse(p)
	}
	return v.h.Files.OpenDir(p)
}

// Names lists a directory, sorted; a missing one is empty.
func (v *View) Names(p fact.Path) ([]string, error) {
	if !v.may(p) {
		return nil, v.refuse(p)
	}
	return v.h.Files.Names(p)
}

// Readlink reads a link.
func (v *View) Readlink(p fact.Path) (fact.Path, error) { return v.h.Files.Readlink(p) }

// Stat describes what a path leads to, Lstat the path itself.
func (v *View) Stat(p fact.Path) (host.Info, error)  { return v.h.Files.Stat(p) }
func (v *View) Lstat(p fact.Path) (host.Info, error) { return v.h.Files.Lstat(p) }

// Flags are the immutable and append-only flags of a regular file.
func (v *View) Flags(p fact.Path) ([]string, error) { return v.h.Files.Flags(p) }
