package shell

import (
	"encoding/base64"
	"slices"
	"strings"
)

// decoder is a program that turns an encoded text back when one of its options
// is a word of exact, or a bundle with one of letters in it.
func decoder(letters, exact string) handler {
	return func(e *eval, args []word, in flow) flow {
		decodes := letters+exact == ""
		for _, a := range args {
			t := a.text
			switch {
			case !strings.HasPrefix(t, "-"):
				in = in.or(e.content(a))
			case listed(exact, t), len(t) > 1 && t[1] != '-' && strings.ContainsAny(t, letters):
				decodes = true
			}
		}
		out := in.tainted()
		if decodes {
			out.decode = true
			out.text = unbase64(in.text)
		}
		return out
	}
}

// rev turns lines around.
func rev(_ *eval, _ []word, in flow) flow {
	b := []byte(strings.TrimSuffix(in.text, "\n"))
	slices.Reverse(b)
	return flow{in.fetch, true, string(b)}
}

// unbase64 reads base64 that stands in the line itself; "" if it is none.
func unbase64(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' || r == '\r' || r == '\t' {
			return -1
		}
		return r
	}, s)
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || slices.Contains(b, 0) {
		return ""
	}
	return string(b)
}
