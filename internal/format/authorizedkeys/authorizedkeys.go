// Package authorizedkeys reads authorized_keys files as sshd does (sshd(8),
// AUTHORIZED_KEYS FILE FORMAT; OpenSSH auth2-pubkeyfile.c): line by line, with
// whatever is no key passed over. So it finds the keys in a file that a Redis
// dump was written over, where they stand between binary data.
package authorizedkeys

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"demine/internal/fact"
)

// Entry is one key that lets in.
type Entry struct {
	Line        int      // 1-based
	Options     []string // as written, quotes kept
	Type        string
	Fingerprint string // SHA256:…, as ssh-keygen -l prints it
	Comment     string // as fact.Text, at most 512 bytes
}

// Limits: the longest key of OpenSSH (RSA of 16384 bits) takes 3 KiB; sshd
// reads lines of up to 8 KiB and skips longer ones.
const (
	maxLine    = 8 << 10
	maxComment = 512
	maxOptions = 64
)

// Parse gives the keys in the order of the file.
func Parse(b []byte) []Entry {
	var out []Entry
	for n := 1; len(b) > 0; n++ {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		if len(line) > maxLine {
			continue
		}
		if e, ok := entry(string(bytes.TrimRight(line, "\r"))); ok {
			e.Line = n
			out = append(out, e)
		}
	}
	return out
}

// entry reads "[options] type base64 [comment]".
func entry(line string) (Entry, bool) {
	line = strings.TrimLeft(line, " \t")
	if line == "" || line[0] == '#' {
		return Entry{}, false
	}
	if e, ok := key(line); ok {
		return e, true
	}
	options, rest, ok := splitOptions(line)
	if !ok {
		return Entry{}, false
	}
	e, ok := key(strings.TrimLeft(rest, " \t"))
	e.Options = options
	return e, ok
}

func key(s string) (Entry, bool) {
	typ, rest, ok := cutBlank(s)
	if !ok || !knownType(typ) {
		return Entry{}, false
	}
	data, comment, _ := cutBlank(rest)
	blob, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		blob, err = base64.RawStdEncoding.DecodeString(data)
	}
	if err != nil || !blobIs(blob, typ) {
		return Entry{}, false
	}
	sum := sha256.Sum256(blob)
	return Entry{
		Type:        typ,
		Fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]),
		Comment:     fact.Text([]byte(comment[:min(maxComment, len(comment))])),
	}, true
}

func cutBlank(s string) (head, rest string, ok bool) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, "", s != ""
	}
	return s[:i], strings.TrimSpace(s[i:]), true
}

// knownType: the names of sshkey.c, certificates included.
func knownType(t string) bool {
	for _, p := range []string{"ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-sha2-", "rsa-sha2-"} {
		if strings.HasPrefix(t, p) && len(t) < 80 {
			return true
		}
	}
	return false
}

// blobIs: the key begins with its own type and is whole. A key is a row of
// strings as of RFC 4251 section 5 (RFC 4253 section 6.6, RFC 8709); only
// certificates hold numbers between them. sshd takes no key whose two types
// differ.
func blobIs(blob []byte, typ string) bool {
	first, rest, ok := cutString(blob)
	if !ok || string(first) != typ || len(rest) == 0 {
		return false
	}
	for !strings.Contains(typ, "-cert-") && len(rest) > 0 {
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

// splitOptions takes the options off the front: they are parted by commas and
// end at the first blank outside of quotes.
func splitOptions(s string) (options []string, rest string, ok bool) {
	quoted, from := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted && i+1 < len(s) && s[i+1] == '"':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			options = append(options, fact.Text([]byte(s[from:i])))
			from = i + 1
		case (c == ' ' || c == '\t') && !quoted:
			options = append(options, fact.Text([]byte(s[from:i])))
			return options, s[i:], len(options) <= maxOptions
		}
	}
	return nil, "", false
}
