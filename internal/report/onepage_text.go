package report

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"demine/internal/explain"
	"demine/internal/respond"
)

// section is a heading.
func (g *page) section(id string, pairs ...any) { g.sheet.section(g.fit(g.say(id, pairs...))) }

// item is one of a list.
func (g *page) item(s string) { g.sheet.item(g.fit(s)) }

func (g *page) para(s string) { g.sheet.para(g.fit(s)) }

// fit makes a text fit to be handed out.
func (g *page) fit(s string) string {
	s = unlinked(g.hide.text(s))
	if g.Format == PageMarkdown {
		s = markdown.Replace(strings.TrimSpace(s))
	}
	return s
}

// markdown escapes what has a meaning there (CommonMark, section 2.4).
var markdown = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, ">", `\>`, "[", `\[`, "]", `\]`, "|", `\|`,
	"#", `\#`, "~", `\~`, "&", `\&`, "!", `\!`)

var (
	web    = regexp.MustCompile(`(?i)\bh(tt)(ps?://)`)
	scheme = regexp.MustCompile(`\b([A-Za-z][A-Za-z0-9+.-]*)://`)
)

// unlinked makes addresses unfit to be clicked by accident, as is usual in
// reports of incidents.
func unlinked(s string) string {
	s = web.ReplaceAllString(s, "hxx$2")
	return scheme.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasPrefix(m, "hxx") {
			return m
		}
		return strings.TrimSuffix(m, "://") + "[:]//"
	})
}

// redactor takes the names and addresses of the host's owner out of a text;
// those of the intruder stay.
type redactor struct {
	names    []*regexp.Regexp
	host     string // what stands for the host's name
	address  string // and for an address
	stays    map[netip.Addr]bool
	numbered map[netip.Addr]int
}

func newRedactor(s *explain.Scan, runs []respond.Run, host, address string, on bool) *redactor {
	if !on {
		return nil
	}
	r := &redactor{host: host, address: address, stays: map[netip.Addr]bool{}, numbered: map[netip.Addr]int{}}
	for _, i := range explain.Indicators(s) {
		if a, err := netip.ParseAddr(i.Value); err == nil && !a.IsPrivate() {
			r.stays[a] = true
		}
	}
	r.name(s.Host.Name)
	for i := range runs {
		r.name(runs[i].Plan.Host)
	}
	return r
}

// name adds a host's name, also without its domain.
func (r *redactor) name(full string) {
	short, _, _ := strings.Cut(full, ".")
	for _, n := range []string{full, short} {
		if len(n) > 2 {
			r.names = append(r.names, regexp.MustCompile(`(?i)(^|[^\w-])`+regexp.QuoteMeta(n)+`($|[^\w-])`))
		}
	}
}

var anyAddress = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*`)

// within finds the address in a run of its characters: a full stop may follow
// it, a label and a colon stand before it.
func within(s string) (head string, a netip.Addr, tail string) {
	for from := 0; from < len(s); from++ {
		if from > 0 && s[from-1] != ':' && s[from-1] != '.' {
			continue
		}
		for to := len(s); to > from; to-- {
			if to < len(s) && s[to] != ':' && s[to] != '.' {
				continue
			}
			if a, err := netip.ParseAddr(s[from:to]); err == nil {
				return s[:from], a, s[to:]
			}
		}
	}
	return s, netip.Addr{}, ""
}

func (r *redactor) text(s string) string {
	if r == nil {
		return s
	}
	s = anyAddress.ReplaceAllStringFunc(s, func(m string) string {
		head, a, tail := within(m)
		if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || r.stays[a.Unmap()] {
			return m
		}
		if r.numbered[a] == 0 {
			r.numbered[a] = len(r.numbered) + 1
		}
		return fmt.Sprintf("%s(%s %d)%s", head, r.address, r.numbered[a], tail)
	})
	for _, n := range r.names {
		s = n.ReplaceAllString(s, "${1}"+strings.ReplaceAll(r.host, "$", "$$")+"${2}")
	}
	return s
}
