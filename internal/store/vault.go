package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"regexp"

	"golang.org/x/sys/unix"

	"demine/internal/respond"
)

const vaultDir = "vault"

var blobID = regexp.MustCompile(`^B-[0-9a-f]{16}$`)

// Put implements respond.Vault. The name is not kept: the journal says what a
// blob is. When the disk runs full in the middle, the blob goes to memory.
func (s *Store) Put(ctx context.Context, name string, r io.Reader) (respond.Blob, error) {
	b, err := writeBlob(ctx, s.home, r)
	if err != nil && s.home != s.mem && s.mem != nil && givesWay(err) {
		s.giveWay(err)
		part := b
		b, err = writeBlob(ctx, s.mem, io.MultiReader(part, bytes.NewReader(part.lost), r))
		part.drop()
	}
	if err != nil {
		b.drop()
		return respond.Blob{}, fmt.Errorf("keep %s: %w", name, err)
	}
	b.close()
	return respond.Blob{ID: b.id, Size: b.size, SHA256: b.sum}, nil
}

// blob is one that is being written. What is in it already can be read again.
type blob struct {
	id, sum string
	dir     *folder
	f       *os.File
	size    int64  // of what was stored whole
	lost    []byte // taken from the reader and not stored
	again   io.Reader
}

const chunk = 1 << 20

// writeBlob gives a blob also with an error, to be dropped or closed.
func writeBlob(ctx context.Context, at *folder, r io.Reader) (*blob, error) {
	b := &blob{}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return b, err
	}
	b.id = "B-" + hex.EncodeToString(id[:])
	err := at.room(chunk)
	if err != nil {
		return b, err
	}
	if b.dir, err = at.sub(vaultDir, true); err != nil {
		return b, err
	}
	if b.f, err = b.dir.open(b.id, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL); err != nil {
		return b, err
	}
	if err := b.fill(ctx, r); err != nil {
		return b, err
	}
	if err := b.f.Sync(); err != nil {
		return b, fmt.Errorf("sync: %v", err) // not %w: nobody knows what is on disk
	}
	return b, b.dir.sync()
}

func (b *blob) fill(ctx context.Context, r io.Reader) error {
	w, err := seal(b.f)
	if err != nil {
		return err
	}
	sum := sha256.New()
	buf := make([]byte, chunk)
	for {
		if err := errors.Join(ctx.Err(), b.dir.room(chunk)); err != nil {
			return err
		}
		n, err := io.ReadFull(r, buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			b.lost = buf[:n]
			return werr
		}
		sum.Write(buf[:n])
		b.size += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			b.sum = hex.EncodeToString(sum.Sum(nil))
			return nil
		}
		if err != nil {
			return &readError{err}
		}
	}
}

// readError is of the thing that was to be kept, not of the store.
type readError struct{ error }

func (e *readError) Unwrap() error { return e.error }

// Read gives again what was stored.
func (b *blob) Read(p []byte) (int, error) {
	if b.size == 0 {
		return 0, io.EOF
	}
	if b.again == nil {
		r, err := unseal(io.NewSectionReader(b.f, 0, int64(sealing)+b.size))
		if err != nil {
			return 0, err
		}
		b.again = r
	}
	return b.again.Read(p)
}

func (b *blob) close() {
	if b.f != nil {
		b.f.Close()
	}
	b.dir.close()
}

func (b *blob) drop() {
	if b.f != nil {
		_ = b.dir.remove(b.id)
	}
	b.close()
}

// Get implements respond.Vault.
func (s *Store) Get(b respond.Blob) (io.ReadCloser, error) {
	if !blobID.MatchString(b.ID) {
		return nil, fmt.Errorf("blob %q: %w", b.ID, ErrCorrupt)
	}
	for _, at := range s.places() {
		f, err := openBlob(at, b.ID)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := unseal(f)
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("blob %s: %w", b.ID, err)
		}
		return opened{&verified{r: r, b: b, sum: sha256.New()}, f}, nil
	}
	return nil, fmt.Errorf("blob %s: %w", b.ID, unix.ENOENT)
}

func openBlob(at *folder, id string) (*os.File, error) {
	d, err := at.sub(vaultDir, false)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return d.open(id, unix.O_RDONLY)
}

type opened struct {
	io.Reader
	io.Closer
}

// verified gives an error in place of the end when size or sum are wrong.
type verified struct {
	r   io.Reader
	b   respond.Blob
	n   int64
	sum hash.Hash
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.n += int64(n)
	v.sum.Write(p[:n])
	if v.n > v.b.Size || err == io.EOF && (v.n != v.b.Size || hex.EncodeToString(v.sum.Sum(nil)) != v.b.SHA256) {
		return 0, fmt.Errorf("blob %s: %w", v.b.ID, ErrCorrupt)
	}
	return n, err
}
