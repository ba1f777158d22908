package lease

import (
	"fmt"
	"io"
	"strings"
)

// Letters are those of names: no vowels, so that no word comes out, and none
// that is taken for another when it is read aloud or copied by hand.
const Letters = "2346789BCDFGHJKMNPQRTVWXYZ"

// nameSize makes 11.8 million names: few enough to type, enough for years of a
// trail to tell one lease from another.
const nameSize = 5

// Name makes the name of a lease or request that is not taken yet.
func Name(random io.Reader, taken func(string) bool) (string, error) {
	var b [1]byte
	for range 100 {
		name := []byte("L-")
		for len(name) < len("L-")+nameSize {
			if _, err := io.ReadFull(random, b[:]); err != nil {
				return "", fmt.Errorf("name of a lease: %w", err)
			}
			if b[0] < 26*9 { // the rest of 256 would favour some letters
				name = append(name, Letters[b[0]%26])
			}
		}
		if !taken(string(name)) {
			return string(name), nil
		}
	}
	return "", fmt.Errorf("name of a lease: none is free")
}

// Named gives the name that was typed: also in small letters, and without L-.
func Named(s string) (name string, ok bool) {
	name = strings.ToUpper(s)
	if !strings.HasPrefix(name, "L-") {
		name = "L-" + name
	}
	return name, IsName(name)
}

// IsName reports whether a text has the form of a name.
func IsName(s string) bool {
	if len(s) != len("L-")+nameSize || s[:2] != "L-" {
		return false
	}
	for _, c := range []byte(s[2:]) {
		if !isLetter(c) {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool {
	for i := range len(Letters) {
		if Letters[i] == c {
			return true
		}
	}
	return false
}
