package i18n

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
	"unicode/utf8"
)

// MarshalJSON writes durations as seconds, as catalogues read them, and bytes
// that are not UTF-8 as \xNN, so that two different texts stay different.
func (m Message) MarshalJSON() ([]byte, error) {
	type plain Message
	p := plain(m)
	p.Args = maps.Clone(m.Args)
	for k, v := range p.Args {
		switch v := v.(type) {
		case time.Duration:
			p.Args[k] = v.Seconds()
		case string:
			p.Args[k] = validText(v)
		}
	}
	return json.Marshal(p)
}

func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
