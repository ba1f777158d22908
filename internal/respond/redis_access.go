package respond

import (
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/passwd"
	"demine/internal/host"
)

// hostUser is an account with its groups, as this host's own files have it.
type hostUser struct {
	Name     string
	UID, GID int
	groups   []int
}

// maxAccounts bounds /etc/passwd and /etc/group.
const maxAccounts = 4 << 20

// userNamed finds an account by name; one with root's id is none.
func userNamed(h *host.Host, name string) (hostUser, bool) {
	b, _, err := h.Files.ReadFile("/etc/passwd", maxAccounts)
	if err != nil {
		return hostUser{}, false
	}
	for _, a := range passwd.Passwd(b) {
		if a.Name == name && a.UID != 0 {
			u := hostUser{Name: name, UID: a.UID, GID: a.GID, groups: []int{a.GID}}
			g, _, _ := h.Files.ReadFile("/etc/group", maxAccounts)
			for _, m := range passwd.Group(g) {
				if slices.Contains(m.Users, name) {
					u.groups = append(u.groups, m.GID)
				}
			}
			return u, true
		}
	}
	return hostUser{}, false
}

// Bits of a mode, for others.
const (
	mayRead   = 4
	mayWrite  = 2
	mayEnter  = 1
	mayChange = mayWrite | mayEnter
)

// may reports whether the mode lets the user do all of what.
func (u hostUser) may(i host.Info, what uint32) bool {
	mode := i.Mode
	switch {
	case i.UID == u.UID:
		mode >>= 6
	case slices.Contains(u.groups, i.GID):
		mode >>= 3
	}
	return mode&what == what
}

// barrier gives the first folder on the way to a path that the user may not
// enter, or "".
func (u hostUser) barrier(h *host.Host, p fact.Path) fact.Path {
	at := fact.Path("/")
	for part := range strings.SplitSeq(path.Dir(string(p))+"/", "/") {
		if part != "" {
			at = host.Join(at, part)
		}
		i, err := h.Files.Stat(at)
		if err != nil || i.Type != "dir" || !u.may(i, mayEnter) {
			return at
		}
	}
	return ""
}
