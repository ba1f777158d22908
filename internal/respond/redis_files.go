package respond

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"demine/internal/fact"
)

// maxRedisBlob bounds what is taken from the vault into memory.
const maxRedisBlob = 64 << 20

func readBlob(v Vault, b Blob) ([]byte, error) {
	r, err := v.Get(b)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxRedisBlob))
}

// newContent is a file that gets another content. Both are in the vault and
// not in the journal: they hold passwords.
type newContent struct {
	Path fact.Path `json:"path"`
	Was  FileState `json:"was"`
	Old  Blob      `json:"old"`
	New  Blob      `json:"new"`
	Sum  string    `json:"sum"` // of the new content
}

// prepareContent gathers what replacing the content of a file needs.
func prepareContent(ctx context.Context, w *Writer, p fact.Path, change func(text []byte) ([]byte, error)) (newContent, error) {
	p, was, text, err := seeText(w.Host, p)
	c := newContent{Path: p, Was: was}
	if err != nil {
		return c, fmt.Errorf("%s: %w", p, err)
	}
	next, err := change(text)
	if err != nil {
		return c, err
	}
	if c.Old, err = w.Files.Save(ctx, p, was, w.Vault); err != nil {
		return c, err
	}
	c.Sum = sumHex(next)
	c.New, err = w.Vault.Put(ctx, "new-content", bytes.NewReader(next))
	return c, err
}

func (c newContent) do(w *Writer) error {
	next, err := fromVault(w.Vault, c.New)
	if err != nil {
		return err
	}
	_, err = w.Files.Replace(c.Path, c.Was, next)
	return err
}

// undo puts the old content back, under the mode and owner that it has now.
func (c newContent) undo(w *Writer) error {
	now, err := w.Files.State(c.Path)
	switch {
	case err != nil:
		return err
	case now.SHA256 == c.Was.SHA256:
		return nil
	case now.SHA256 != c.Sum:
		return fmt.Errorf("%s: %w", c.Path, ErrDrifted)
	}
	return w.Files.Restore(c.Path, now, keeping(c.Was, now), &c.Old, w.Vault)
}
