// Package redisconf reads redis.conf: one directive a line, comments only where
// # is the first byte, arguments quoted as sdssplitargs does (config.c,
// loadServerConfigFromString, and sds.c of Redis 7).
package redisconf

import (
	"strings"

	"demine/internal/fact"
)

// Directive is one line. An include is a directive like any other: whoever
// reads files follows it. Args are valid UTF-8 and may be secrets: see Secretly.
type Directive struct {
	Name string // lower case
	Args []string
	Line int // 1-based
}

// maxLines bounds what one file can yield.
const maxLines = 100_000

// Parse reads a file. A line with unbalanced quotes, for which Redis would not
// start, is left out, as is everything behind the first 100,000 directives.
func Parse(b []byte) []Directive {
	var out []Directive
	n := 0
	for line := range strings.SplitSeq(string(b), "\n") {
		n++
		line = strings.Trim(line, " \t\r\n")
		if line == "" || line[0] == '#' {
			continue
		}
		args, ok := split(line)
		if !ok || len(args) == 0 {
			continue
		}
		for i := range args {
			args[i] = fact.Text([]byte(args[i]))
		}
		if len(out) == maxLines {
			break
		}
		out = append(out, Directive{strings.ToLower(args[0]), args[1:], n})
	}
	return out
}

// split is sdssplitargs of sds.c: false for unbalanced quotes, and for a quote
// with something right behind it.
func split(s string) (args []string, ok bool) {
	for {
		for s != "" && isSpace(s[0]) {
			s = s[1:]
		}
		if s == "" || s[0] == 0 {
			return args, true
		}
		var arg string
		if arg, s, ok = word(s); !ok {
			return nil, false
		}
		args = append(args, arg)
	}
}

// word reads up to a blank; quotes may start inside it.
func word(s string) (arg, rest string, ok bool) {
	var b strings.Builder
	for s != "" {
		switch c := s[0]; {
		case c == 0 || isSpace(c):
			return b.String(), s, true
		case c == '"' || c == '\'':
			n := quoted(&b, s)
			if n < 0 || n < len(s) && s[n] != 0 && !isSpace(s[n]) {
				return "", "", false
			}
			return b.String(), s[n:], true
		default:
			b.WriteByte(c)
			s = s[1:]
		}
	}
	return b.String(), "", true
}

// quoted reads a quoted part and gives its length, -1 if it does not end.
func quoted(b *strings.Builder, s string) int {
	quote := s[0]
	for i := 1; i < len(s) && s[i] != 0; i++ {
		c := s[i]
		switch {
		case c == quote:
			return i + 1
		case c == '\\' && i+1 < len(s) && quote == '\'' && s[i+1] == '\'':
			i++
			c = '\''
		case c == '\\' && i+1 < len(s) && quote == '"':
			if i+3 < len(s) && s[i+1] == 'x' && hex(s[i+2]) >= 0 && hex(s[i+3]) >= 0 {
				c = byte(hex(s[i+2])<<4 | hex(s[i+3]))
				i += 3
				break
			}
			i++
			c = s[i]
			if j := strings.IndexByte("nrtba", c); j >= 0 {
				c = "\n\r\t\b\a"[j]
			}
		}
		b.WriteByte(c)
	}
	return -1
}

// hex is the value of a digit, -1 for none.
func hex(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// isSpace is isspace of C.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// secret are the directives of config.c that hold passwords: SENSITIVE_CONFIG,
// and the ACL and Sentinel ones.
var secret = map[string]bool{
	"requirepass": true, "masterauth": true, "user": true, "tls-key-file-pass": true,
	"tls-client-key-file-pass": true, "sentinel": true, "auth-pass": true, "rename-command": true,
	"primaryauth": true,
}

// Secretly reports whether the arguments of a directive may be secrets, which
// must not be shown: passwords, users with their hashes, and rename-command,
// whose new names serve as passwords.
func Secretly(name string) bool { return secret[strings.ToLower(name)] }
