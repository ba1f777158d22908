// Package authorizedkeys reads authorized_keys files as sshd does: sshd(8),
// AUTHORIZED_KEYS FILE FORMAT; auth2-pubkeyfile.c and sshkey_read of sshkey.c
// of OpenSSH 9.2. A file that Redis was made to write has binary lines around
// the keys, which sshd skips like any line that is no key.
package authorizedkeys

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"demine/internal/fact"
)

// Entry is one key that sshd would take. Options are as they stand, quotes and
// all. Fingerprint is what ssh-keygen -l prints: "SHA256:" and unpadded base64
// (of a certificate it prints that of the key inside; here it is the
// certificate's own).
type Entry struct {
	Line        int // 1-based
	Options     []string
	Type        string
	Fingerprint string
	Comment     string
}

// Caps: keys in a file; bytes of a key in base64 (RSA of 16,384 bits, the most
// that OpenSSH takes, is 2,800); bytes of options and of a comment.
const (
	maxKeys    = 65536
	maxBlob    = 64 << 10
	maxOptions = 64 << 10
	maxComment = 1024
)

// Parse gives the keys of a file in their order; lines that are none are left
// out. It takes a key type that it does not know, if the blob agrees with it.
func Parse(b []byte) []Entry {
	var out []Entry
	for n := 1; len(b) > 0 && len(out) < maxKeys; n++ {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		if e, ok := parseLine(line); ok {
			e.Line = n
			out = append(out, e)
		}
	}
	return out
}

func parseLine(line []byte) (Entry, bool) {
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line = line[:i] // C strings end there
	}
	line = bytes.TrimRight(bytes.TrimLeft(line, " \t"), " \t\r")
	if len(line) == 0 || line[0] == '#' {
		return Entry{}, false
	}
	if e, ok := key(line); ok {
		return e, true
	}
	n := optionsEnd(line)
	if n == 0 || n == len(line) || n > maxOptions {
		return Entry{}, false
	}
	e, ok := key(bytes.TrimLeft(line[n:], " \t"))
	e.Options = split(line[:n])
	return e, ok
}

// key reads "type blob comment".
func key(s []byte) (Entry, bool) {
	kind, rest := cut(s)
	blob, comment := cut(bytes.TrimLeft(rest, " \t"))
	if !isType(kind) || len(blob) == 0 || len(blob) > maxBlob {
		return Entry{}, false
	}
	raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(blob)))
	n, err := base64.RawStdEncoding.Decode(raw, bytes.TrimRight(blob, "="))
	if err != nil || !names(raw[:n], kind) {
		return Entry{}, false
	}
	sum := sha256.Sum256(raw[:n])
	comment = bytes.Trim(comment, " \t\r")
	return Entry{
		Type:        string(kind),
		Fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]),
		Comment:     fact.Text(comment[:min(len(comment), maxComment)]),
	}, true
}

func cut(s []byte) (word, rest []byte) {
	i := bytes.IndexAny(s, " \t")
	if i < 0 {
		return s, nil
	}
	return s[:i], s[i:]
}

// isType: letters, digits and what else is in sshkey.c's names.
func isType(s []byte) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	for _, c := range s {
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && bytes.IndexByte([]byte("-_.@"), c) < 0 {
			return false
		}
	}
	return true
}

// names reports whether a key blob starts with its type and is whole: a row of
// strings (RFC 4251 section 5; RFC 4253 section 6.6, RFC 5656, RFC 8709). Only
// certificates have numbers between them.
func names(blob, kind []byte) bool {
	first, rest, ok := cutString(blob)
	if !ok || !bytes.Equal(first, kind) || len(rest) == 0 {
		return false
	}
	for len(rest) > 0 && !bytes.Contains(kind, []byte("-cert-")) {
		if _, rest, ok = cutString(rest); !ok {
			return false
		}
	}
	return true
}

func cutString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if n > uint64(len(b)-4) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}

// optionsEnd is sshkey_advance_past_options: the first blank that is in no
// quotes.
func optionsEnd(s []byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case (c == ' ' || c == '\t') && !quoted:
			return i
		}
	}
	return len(s)
}

// split parts options at the commas that are in no quotes.
func split(s []byte) []string {
	var out []string
	start, quoted := 0, false
	for i := 0; i <= len(s); i++ {
		switch {
		case i == len(s) || s[i] == ',' && !quoted:
			out = append(out, fact.Text(s[start:i]))
			start = i + 1
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case s[i] == '"':
			quoted = !quoted
		}
	}
	return out
}
