package fact

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Path is a file name as the kernel has it: any bytes but NUL. Its text form
// (JSON, Ref, messages) percent-encodes '%' and every byte that is not part of
// valid UTF-8, so two different names never become the same text.
type Path string

// String is the text form.
func (p Path) String() string { return encodeBytes(string(p)) }

// MarshalText gives the text form.
func (p Path) MarshalText() ([]byte, error) { return []byte(encodeBytes(string(p))), nil }

// UnmarshalText reverses MarshalText; a malformed escape is an error.
func (p *Path) UnmarshalText(b []byte) error {
	s, err := decodeBytes(string(b))
	*p = Path(s)
	return err
}

func encodeBytes(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if (r == utf8.RuneError && n == 1) || r == '%' {
			fmt.Fprintf(&b, "%%%02X", s[i])
			i++
			continue
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return b.String()
}

func decodeBytes(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		var v byte
		if i+2 >= len(s) {
			return "", fmt.Errorf("path %q: cut-off escape", s)
		}
		if _, err := fmt.Sscanf(s[i+1:i+3], "%02X", &v); err != nil {
			return "", fmt.Errorf("path %q: bad escape: %w", s, err)
		}
		b.WriteByte(v)
		i += 2
	}
	return b.String(), nil
}

// Text turns bytes of the host (an argument, a crontab line) into valid UTF-8:
// every byte that is not part of it becomes \xNN. It is for showing and
// matching, not an identity: use Path or Ref for that.
func Text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&out, `\x%02x`, b[i])
			i++
			continue
		}
		out.Write(b[i : i+n])
		i += n
	}
	return out.String()
}
