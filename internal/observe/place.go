package observe

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/passwd"
	"demine/internal/host"
)

// places answers who could put something else in the place of a path. Folders
// are looked at once.
type places struct {
	v       *View
	names   map[int]string   // uid → account
	members map[int][]string // gid → accounts other than root
	walked  map[string]walk
}

// walk is what going to a path found.
type walk struct {
	real    fact.Path // without links
	info    host.Info // of the path itself
	missing bool
	open    bool     // a folder in which everybody may make new names, sticky or not
	by      []string // who can replace a name in it, or anything above
}

func newPlaces(v *View, in *fact.Snapshot) *places {
	pl := &places{v: v, names: map[int]string{}, members: map[int][]string{}, walked: map[string]walk{}}
	for i := range in.Account {
		a := &in.Account[i]
		if _, ok := pl.names[a.UID]; !ok {
			pl.names[a.UID] = a.Name
		}
		pl.member(a.GID, a.Name, a.UID)
	}
	b, _, err := v.ReadFile("/etc/group", 8<<20)
	if err != nil {
		return pl
	}
	uids := map[string]int{}
	for _, a := range in.Account {
		uids[a.Name] = a.UID
	}
	for _, g := range passwd.Group(b) {
		for _, u := range g.Users {
			if uid, ok := uids[u]; ok {
				pl.member(g.GID, u, uid)
			}
		}
	}
	return pl
}

func (pl *places) member(gid int, name string, uid int) {
	if uid != 0 && len(pl.members[gid]) < 100 {
		pl.members[gid] = append(pl.members[gid], name)
	}
}

func (pl *places) name(uid int) string {
	if n, ok := pl.names[uid]; ok {
		return n
	}
	return strconv.Itoa(uid)
}

// to walks to a path, through links.
func (pl *places) to(p fact.Path) walk {
	hops := 0
	return pl.step(path.Clean("/"+string(p)), &hops)
}

func (pl *places) step(p string, hops *int) walk {
	if w, ok := pl.walked[p]; ok {
		return w
	}
	var w walk
	switch {
	case p == "/":
		w.real = "/"
		w.info, _ = pl.v.Stat("/")
		w.by = pl.writers(w.info)
		w.open = w.info.Mode&0o002 != 0
	default:
		w = pl.below(pl.step(path.Dir(p), hops), path.Base(p), hops)
	}
	pl.walked[p] = w
	return w
}

// below takes one name in a folder.
func (pl *places) below(dir walk, name string, hops *int) walk {
	p := host.Join(dir.real, name)
	w := walk{real: p, by: dir.by}
	if dir.missing {
		w.missing = true
		return w
	}
	info, err := pl.v.Lstat(p)
	if err != nil {
		w.missing = true
		if dir.open { // sticky or not: the name is free
			w.by = with(w.by, "everyone")
		}
		return w
	}
	w.info = info
	// In a sticky folder only the owner of a name can replace it.
	w.by = with(w.by, pl.owner(info.UID)...)
	switch info.Type {
	case "link":
		if *hops++; *hops > 40 {
			w.missing = true
			return w
		}
		t, err := pl.v.Readlink(p)
		if err != nil {
			w.missing = true
			return w
		}
		target := string(t)
		if !strings.HasPrefix(target, "/") {
			target = path.Join(string(dir.real), target)
		}
		to := pl.step(path.Clean(target), hops)
		to.by = with(slices.Clone(to.by), w.by...)
		return to
	case "dir":
		w.open = info.Mode&0o002 != 0
		if info.Mode&0o1000 == 0 {
			w.by = with(w.by, pl.writers(info)...)
		}
	default:
		w.by = with(w.by, pl.writers(info)...)
	}
	return w
}

func (pl *places) owner(uid int) []string {
	if uid == 0 {
		return nil
	}
	return []string{pl.name(uid)}
}

// writers are those whom the mode lets write.
func (pl *places) writers(i host.Info) []string {
	out := pl.owner(i.UID)
	if i.Type == "link" {
		return out
	}
	if i.Mode&0o020 != 0 && i.GID != 0 {
		out = with(out, pl.members[i.GID]...)
	}
	if i.Mode&0o002 != 0 {
		out = with(out, "everyone")
	}
	return out
}

// with adds names that are not there yet, into a new slice.
func with(have []string, names ...string) []string {
	out := slices.Clip(have)
	for _, n := range names {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
