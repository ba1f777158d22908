package agent

import (
	"archive/tar"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/mask"
)

// Manifest lists a bundle. It is its last file.
type Manifest struct {
	Files []Kept    `json:"files"`
	Left  []NotKept `json:"left,omitempty"` // what is there and was not taken
	// Decode is the command that turns an encoded file into the original.
	Decode string `json:"decode"`
}

// Kept is one file of a bundle.
type Kept struct {
	Name     string    `json:"name"` // in the bundle
	SHA256   string    `json:"sha256"`
	Size     int64     `json:"size"`
	Path     fact.Path `json:"path,omitempty"`     // on the host
	Original string    `json:"original,omitempty"` // sha256 of what was read, where it was masked or encoded
	Of       int64     `json:"of,omitempty"`       // size on the host
	Cut      string    `json:"cut,omitempty"`      // head or tail: only that was taken
	Whole    string    `json:"whole,omitempty"`    // sha256 of the whole file, where only a part was taken
	Masked   bool      `json:"masked,omitempty"`   // secrets are hidden
	Encoded  bool      `json:"encoded,omitempty"`
	Mode     uint32    `json:"mode,omitempty"`
	UID      int       `json:"uid,omitempty"`
	GID      int       `json:"gid,omitempty"`
	Modified time.Time `json:"modified,omitzero"`
	Changed  time.Time `json:"changed,omitzero"`
	Born     time.Time `json:"born,omitzero"`
}

// NotKept is something that was not taken.
type NotKept struct {
	What  string `json:"what"`
	Error string `json:"error"`
}

// Implants are encoded so that no scanner deletes the bundle: AES-128 in
// counter mode, with a key that is no secret.
const (
	evidenceKey = "demine-evidence1"
	decode      = "openssl enc -d -aes-128-ctr -K 64656d696e652d65766964656e636531 -iv 00000000000000000000000000000000 -in FILE.enc -out FILE"
)

var errFull = errors.New("the bundle has reached its limit")

// bundle is one in the making. After the first error of its writer it takes
// nothing more.
type bundle struct {
	out   *counter
	z     *gzip.Writer
	t     *tar.Writer
	e     Evidence
	now   time.Time
	m     Manifest
	names map[string]bool
	err   error
}

type counter struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.sum.Write(p[:n])
	return n, err
}

func newBundle(w io.Writer, e Evidence, now time.Time) *bundle {
	b := &bundle{out: &counter{w: w, sum: sha256.New()}, e: e, now: now, names: map[string]bool{}}
	b.z = gzip.NewWriter(b.out)
	b.t = tar.NewWriter(b.z)
	b.m.Decode = decode
	return b
}

func (b *bundle) left(what string, err error) {
	b.m.Left = append(b.m.Left, NotKept{what, err.Error()})
}

func (b *bundle) json(name string, v any) {
	raw, err := indented(v)
	if err != nil {
		b.left(name, err)
		return
	}
	b.put(Kept{Name: name}, raw)
}

func (b *bundle) text(name, s string) {
	if s != "" {
		b.put(Kept{Name: name}, []byte(s))
	}
}

// way says how a file of the host goes into the bundle.
type way struct {
	mask, encode bool
}

// file puts a file of the host into the bundle.
func (b *bundle) file(name string, f found, w way) {
	k := f.kept
	k.Name = name
	raw := f.bytes
	if w.mask && !b.e.Raw {
		if hidden := masked(raw); hidden != string(raw) {
			k.Masked, k.Original, raw = true, sumOf(raw), []byte(hidden)
		}
	}
	if w.encode {
		k.Encoded, k.Original = true, sumOf(raw)
		k.Name += ".enc"
		raw = encoded(raw)
	}
	b.put(k, raw)
}

// masked hides secrets line by line.
func masked(raw []byte) string {
	var out strings.Builder
	for line := range strings.Lines(string(raw)) {
		out.WriteString(mask.Text(line))
	}
	return out.String()
}

func encoded(raw []byte) []byte {
	block, err := aes.NewCipher([]byte(evidenceKey))
	if err != nil {
		panic("agent: " + err.Error()) // the size of the key is ours
	}
	out := make([]byte, len(raw))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(out, raw)
	return out
}

func sumOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// put writes a file of the bundle, if there is room for it; the manifest must
// still fit.
func (b *bundle) put(k Kept, raw []byte) {
	if b.err != nil || b.names[k.Name] {
		return
	}
	if err := b.z.Flush(); err != nil {
		b.err = err
		return
	}
	if b.out.n+int64(len(raw))+manifestRoom > b.e.Cap && !b.compressible(raw) {
		b.left(k.Name, errFull)
		return
	}
	b.names[k.Name] = true
	k.Size, k.SHA256 = int64(len(raw)), sumOf(raw)
	b.m.Files = append(b.m.Files, k)
	b.err = b.entry(k, raw)
}

const manifestRoom = 256 << 10

// compressible tells whether a file that does not fit as it is does when it is
// compressed: logs shrink to a tenth.
func (b *bundle) compressible(raw []byte) bool {
	c := &counter{w: io.Discard, sum: sha256.New()}
	z := gzip.NewWriter(c)
	_, err := z.Write(raw)
	return err == nil && z.Close() == nil && b.out.n+c.n+manifestRoom <= b.e.Cap
}

func (b *bundle) entry(k Kept, raw []byte) error {
	at := k.Modified
	if at.IsZero() {
		at = b.now
	}
	// Root's file for root only, whatever it was on the host: nothing unpacks to a
	// set-id program.
	h := &tar.Header{Name: k.Name, Mode: 0o600, Size: int64(len(raw)), ModTime: at, Format: tar.FormatPAX}
	if err := b.t.WriteHeader(h); err != nil {
		return fmt.Errorf("evidence: %s: %w", k.Name, err)
	}
	if _, err := b.t.Write(raw); err != nil {
		return fmt.Errorf("evidence: %s: %w", k.Name, err)
	}
	return nil
}

func (b *bundle) close() (Bundle, error) {
	raw, err := indented(b.m)
	if b.err == nil && err == nil {
		b.err = b.entry(Kept{Name: "manifest.json"}, raw)
	}
	err = errors.Join(b.err, err)
	if err == nil {
		err = errors.Join(b.t.Close(), b.z.Close())
	}
	return Bundle{Size: b.out.n, SHA256: hex.EncodeToString(b.out.sum.Sum(nil)), Manifest: b.m}, err
}
