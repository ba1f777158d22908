package services

import (
	"fmt"
	"regexp"

	"demine/internal/fact"
)

// Request is all that is ever sent.
func (q *Question) Request(addr string) []byte {
	if q.Get == "" {
		return latin1(q.Send)
	}
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: demine\r\nAccept: */*\r\nConnection: close\r\n\r\n", q.Get, addr)
}

// latin1 gives the bytes of a text whose letters are bytes: \xdd in YAML is a
// letter, not a byte.
func latin1(s string) []byte {
	var out []byte
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out
}

var httpStatus = regexp.MustCompile(`\AHTTP/1\.[01] ([0-9]{3})[^\n]*\n(?s:.*?\n)??\r?\n`)

// Understand takes what was answered so far: ok says that it was enough.
func (q *Question) Understand(said []byte) (auth, version string, ok bool) {
	status := ""
	if m := httpStatus.FindSubmatch(said); m != nil {
		status = string(m[1])
	}
	for _, m := range q.Means {
		if q.Get != "" && (status == "" || m.Status != "" && m.Status != status) {
			continue
		}
		if m.Answer.Regexp == nil {
			return m.Auth, "", true
		}
		parts := m.Answer.FindSubmatch(said)
		if parts == nil {
			continue
		}
		if i := m.Answer.SubexpIndex("version"); i > 0 {
			version = fact.Text(parts[i])
		}
		return m.Auth, version, true
	}
	return "", "", false
}
