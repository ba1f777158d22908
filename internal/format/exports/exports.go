// Package exports reads /etc/exports, which says what an NFS server gives to
// whom (exports(5) of nfs-utils): a folder, then clients with options in
// parentheses right behind each.
package exports

import (
	"slices"
	"strings"

	"demine/internal/fact"
)

// Grant is one folder given to one client, or to everyone.
type Grant struct {
	Path     fact.Path
	Client   string // a host, a network, @netgroup; empty: everyone
	Writable bool
	Root     bool // root there is root here
	Kerberos bool // and nothing else is taken
	Line     int  // 1-based
}

// maxGrants bounds what one file can yield.
const maxGrants = 10_000

// Parse reads a file.
func Parse(b []byte) []Grant {
	var out []Grant
	lines := strings.Split(string(b), "\n")
	for n := 0; n < len(lines) && len(out) < maxGrants; n++ {
		first, line := n+1, lines[n]
		for strings.HasSuffix(line, `\`) && n+1 < len(lines) {
			n++
			line = strings.TrimSuffix(line, `\`) + lines[n]
		}
		line, _, _ = strings.Cut(line, "#")
		path, rest := folder(strings.TrimSpace(line))
		if path == "" {
			continue
		}
		for _, g := range grants(rest) {
			g.Path, g.Line = fact.Path(path), first
			out = append(out, g)
		}
	}
	return out
}

// folder takes the first word, which may be quoted.
func folder(line string) (path, rest string) {
	if strings.HasPrefix(line, `"`) {
		path, rest, _ = strings.Cut(line[1:], `"`)
		return path, rest
	}
	i := strings.IndexAny(line, " \t\r")
	if i < 0 {
		i = len(line)
	}
	return strings.ReplaceAll(line[:i], `\040`, " "), line[i:]
}

// grants are the clients of a folder. None at all are everyone, and so is one
// whose options stand alone: the blank before them is a well-known mistake.
func grants(rest string) []Grant {
	var out []Grant
	var common []string
	for _, w := range strings.Fields(rest) {
		if opts, ok := strings.CutPrefix(w, "-"); ok {
			common = strings.Split(opts, ",")
			continue
		}
		client, opts, _ := strings.Cut(w, "(")
		out = append(out, grant(client, append(slices.Clip(common), strings.Split(strings.TrimSuffix(opts, ")"), ",")...)))
	}
	if len(out) == 0 {
		out = append(out, grant("", common))
	}
	return out
}

// grant puts options in force: the last of two that exclude each other.
func grant(client string, options []string) Grant {
	g := Grant{Client: fact.Text([]byte(client))}
	if slices.Contains([]string{"*", "0.0.0.0/0", "::/0", "0.0.0.0/0.0.0.0"}, client) {
		g.Client = ""
	}
	for _, o := range options {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "rw", "ro":
			g.Writable = name == "rw"
		case "no_root_squash", "root_squash", "all_squash":
			g.Root = name == "no_root_squash"
		case "sec":
			g.Kerberos = true
			for _, flavour := range strings.Split(value, ":") {
				g.Kerberos = g.Kerberos && strings.HasPrefix(flavour, "krb5")
			}
		}
	}
	return g
}
