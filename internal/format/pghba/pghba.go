// Package pghba reads pg_hba.conf, which says how PostgreSQL knows who connects
// (https://www.postgresql.org/docs/17/auth-pg-hba-conf.html): records of type,
// databases, users, address and method, of which the first that matches a
// connection decides, and no other is tried.
package pghba

import (
	"net/netip"
	"slices"
	"strings"

	"demine/internal/fact"
)

// Rule is one record, or, with Type "include", "include_if_exists" or
// "include_dir", the Address of more of them.
type Rule struct {
	Type      string // local, host, hostssl, hostnossl, hostgssenc, hostnogssenc
	Databases []string
	Users     []string
	Address   string       // as written; a mask is made a prefix; empty for local
	Net       netip.Prefix // not valid for names, all, samehost and samenet
	Method    string
	Line      int // 1-based
}

// maxRules bounds what one file can yield.
const maxRules = 10_000

// Parse reads a file. A record that PostgreSQL would not take (it would not
// start with it, or go on with the records of before) is left out.
func Parse(b []byte) []Rule {
	var out []Rule
	lines := strings.Split(string(b), "\n")
	for n := 0; n < len(lines) && len(out) < maxRules; n++ {
		first, line := n+1, strings.TrimRight(lines[n], "\r")
		for strings.HasSuffix(line, `\`) && n+1 < len(lines) { // since 14
			n++
			line = strings.TrimSuffix(line, `\`) + strings.TrimRight(lines[n], "\r")
		}
		if r, ok := record(fields(line)); ok {
			r.Line = first
			out = append(out, r)
		}
	}
	return out
}

// fields are the lists of a line: blanks part fields, commas the items of one.
// A quoted item loses its quotes and any meaning as a keyword, which is marked
// by a leading NUL.
func fields(line string) [][]string {
	var out [][]string
	list, item, began, quoted := []string(nil), strings.Builder{}, false, false
	end := func(field bool) {
		if began {
			list = append(list, fact.Text([]byte(item.String())))
			item.Reset()
			began = false
		}
		if field && len(list) > 0 {
			out = append(out, list)
			list = nil
		}
	}
	comma := false // a list goes on behind ", "
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quoted:
			if c == '"' {
				quoted = false
			} else {
				item.WriteByte(c)
			}
			continue
		case c == '#':
			end(true)
			return out
		case c == '"':
			quoted = true
			if !began {
				item.WriteByte(0)
			}
			began = true
		case c == ',':
			end(false)
		case c == ' ' || c == '\t':
			end(!comma)
			continue
		default:
			began = true
			item.WriteByte(c)
		}
		comma = c == ','
	}
	end(true)
	return out
}

// record makes a Rule of the fields of a line.
func record(f [][]string) (Rule, bool) {
	if len(f) == 0 {
		return Rule{}, false
	}
	r := Rule{Type: f[0][0]}
	switch r.Type {
	case "include", "include_if_exists", "include_dir":
		if len(f) != 2 {
			return r, false
		}
		r.Address = strings.TrimPrefix(f[1][0], "\x00")
		return r, r.Address != ""
	case "local":
		if len(f) < 4 {
			return r, false
		}
		r.Databases, r.Users, r.Method = f[1], f[2], f[3][0]
		return r, true
	case "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc":
	default:
		return r, false
	}
	if len(f) < 5 {
		return r, false
	}
	r.Databases, r.Users, r.Address, r.Method = f[1], f[2], strings.TrimPrefix(f[3][0], "\x00"), f[4][0]
	if a, err := netip.ParseAddr(r.Address); err == nil { // its mask is the next field
		if len(f) < 6 {
			return r, false
		}
		bits := maskBits(f[4][0])
		if r.Net = netip.PrefixFrom(a, bits); !r.Net.IsValid() {
			return r, false
		}
		r.Address, r.Method = r.Net.String(), f[5][0]
	} else if p, err := netip.ParsePrefix(r.Address); err == nil {
		r.Net = p
	} else if strings.Contains(r.Address, "/") {
		return r, false
	}
	return r, true
}

// maskBits counts the ones of a mask, -1 for none that is.
func maskBits(mask string) int {
	m, err := netip.ParseAddr(mask)
	if err != nil {
		return -1
	}
	bits, ended := 0, false
	for _, b := range m.AsSlice() {
		for i := 7; i >= 0; i-- {
			one := b>>i&1 == 1
			if one && ended {
				return -1
			}
			ended = ended || !one
			if one {
				bits++
			}
		}
	}
	return bits
}

// Text is the rule as it would be written.
func (r Rule) Text() string {
	list := func(l []string) string {
		return strings.ReplaceAll(strings.Join(l, ","), "\x00", "")
	}
	return strings.Join(strings.Fields(strings.Join([]string{r.Type, list(r.Databases), list(r.Users), r.Address, r.Method}, " ")), " ")
}

// covers reports whether every connection that o matches matches r, too.
func (r Rule) covers(o Rule) bool {
	types := r.Type == o.Type || r.Type == "host" && o.Type != "local"
	return types && allOf(r.Databases, o.Databases, "replication") && allOf(r.Users, o.Users, "") && r.coversAddress(o)
}

// allOf: "all" is every name but the one with a meaning of its own.
func allOf(a, r []string, but string) bool {
	return !slices.ContainsFunc(r, func(name string) bool {
		return !slices.Contains(a, name) && !(slices.Contains(a, "all") && (but == "" || name != but))
	})
}

func (r Rule) coversAddress(o Rule) bool {
	switch {
	case r.Address == "all" || r.Address == o.Address:
		return true
	case !r.Net.IsValid() || !o.Net.IsValid():
		return false
	}
	return r.Net.Bits() <= o.Net.Bits() && r.Net.Masked().Contains(o.Net.Masked().Addr())
}
