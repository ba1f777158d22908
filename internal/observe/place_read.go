package observe

import (
	"path"
	"slices"

	"demine/internal/fact"
	"demine/internal/host"
)

// everyone stands for all accounts.
const everyone = "everyone"

// readers are the accounts besides root that can read a file: its mode lets
// them, and that of every folder above it. Access lists are not looked at.
func (pl *places) readers(p fact.Path, info host.Info) []string {
	out := pl.granted(info, 0o444)
	for dir := path.Dir(string(pl.to(p).real)); dir != "/" && len(out) > 0; dir = path.Dir(dir) {
		out = both(out, pl.granted(pl.to(fact.Path(dir)).info, 0o111))
	}
	return out
}

// granted are those to whom the mode gives one of these rights.
func (pl *places) granted(i host.Info, rights uint32) []string {
	have := i.Mode & rights
	if have&0o007 != 0 {
		return []string{everyone}
	}
	var out []string
	if have&0o700 != 0 {
		out = pl.owner(i.UID)
	}
	if have&0o070 != 0 {
		out = with(out, pl.members[i.GID]...)
	}
	return out
}

// both are those that are in a and in b.
func both(a, b []string) []string {
	if slices.Contains(a, everyone) {
		return b
	}
	if slices.Contains(b, everyone) {
		return a
	}
	return slices.DeleteFunc(slices.Clone(a), func(n string) bool { return !slices.Contains(b, n) })
}
