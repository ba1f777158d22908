package weblog

import (
	"strings"
	"testing"
	"unicode/utf8"

	"demine/internal/format/logscan"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"GET /%24%7bjndi%3Aldap%3A%2F%2Fh%7D":        "GET /${jndi:ldap://h}",
		"%2524%257Bx%257D":                           "${x}",
		"${${lower:J}ndi:${::-l}${env:NOPE:-d}ap:x}": "${Jndi:ldap:x}",
		"${${${::-l}ower:j}ndi}":                     "${jndi}",
		`\x22\x24\u007bjndi\x7d`:                     `"${jndi}`,
		"%0aSet-Cookie %00":                          "%0aSet-Cookie %00",
		"100% sure %zz \\":                           "100% sure %zz \\",
		"a %FF b":                                    `a \xff b`,
		"${env:HOME}":                                "${env:HOME}",
	} {
		if got := Plain([]byte(in)); got != want {
			t.Errorf("%s: %q, not %q", in, got, want)
		}
	}
}

func TestPeerAndStatus(t *testing.T) {
	for line, want := range map[string]string{
		`203.0.113.5 - - [x] "GET / HTTP/1.1" 404 1`:               "203.0.113.5",
		`2001:db8::1 - - [x] "GET / HTTP/1.1" 404 1`:               "2001:db8::1",
		`x [error] 7#7: *1 failed, client: 203.0.113.5, server: s`: "203.0.113.5",
		`[core:error] [client 203.0.113.5:4242] AH00037`:           "203.0.113.5",
		`enabled (user request from 'id=5 addr=203.0.113.66:1 l`:   "203.0.113.66",
		`nothing 203.0.113.5`:                                      "",
	} {
		if got := Peer([]byte(line)); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
	for line, want := range map[string]int{
		`h - - [x] "GET / HTTP/1.1" 404 1`: 404, `h - - [x] "GET / HTTP/1.1" 999 1`: 0, `"x" `: 0, `"a" 20x b`: 0,
	} {
		if got := Status([]byte(line)); got != want {
			t.Errorf("%s: %d", line, got)
		}
	}
}

func TestMatch(t *testing.T) {
	m, err := NewMatcher([]Rule{{[]string{"alpha", "beta"}, `alpha.*beta`}, {[]string{"beta"}, `^beta`}})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	if _, err := m.Scanner().Scan(strings.NewReader("ALPHA %62eta beta\nbeta\nnone\n"), func(l logscan.Line) error {
		rules, _, _ := m.Match(l)
		got = append(got, rules...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != 0 || got[1] != 1 {
		t.Error(got)
	}
	if _, err := NewMatcher([]Rule{{[]string{"long enough"}, "("}}); err == nil {
		t.Error("a broken pattern was taken")
	}
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("%24%7b${${lower:j}ndi:\\x41\\u0041"))
	f.Add([]byte(strings.Repeat("${a:-", 50) + strings.Repeat("}", 50)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := Plain(b)
		if !utf8.ValidString(p) || strings.Count(p, "\n") > strings.Count(string(b), "\n") || len(p) > 4*len(b) {
			t.Errorf("%q", p)
		}
		Peer(b)
		Status(b)
	})
}
