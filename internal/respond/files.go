package respond

import (
	"demine/internal/fact"
)

// Files changes files. Every method names the file together with what it is
// expected to be and does nothing (ErrDrifted, ErrGone) when that is not so.
// Folders on the way are walked by descriptor; a link in a folder that others
// can write is not followed. What returns without an error is on disk.
type Files interface {
	// State describes a file (not following a link at its end) and its content by
	// sum. A file that is not there gives a State with Missing set and no error.
	State(p fact.Path) (FileState, error)
	// Save puts the content of a regular file into the vault.
	Save(p fact.Path, was FileState, v Vault) (Blob, error)
	// Replace gives a regular file new content. Mode, owner, xattrs and flags stay
	// as they are, the modification time moves (Debian's cron looks at it). It is
	// all or nothing also in a crash. A file that is not there is made with the
	// mode and owner of was.
	Replace(p fact.Path, was FileState, content []byte) (FileState, error)
	// Remove takes the file away: it is renamed aside, looked at again, and
	// unlinked through the descriptor of its folder. An immutable flag is taken off.
	Remove(p fact.Path, was FileState) error
	// Restore puts a file back as it was: content, type, mode, owner, xattrs,
	// flags. now is what is expected in its place.
	Restore(p fact.Path, now, was FileState, content *Blob, v Vault) error
	// SetMeta gives a file the mode, owner, xattrs and flags of to.
	SetMeta(p fact.Path, was, to FileState) (FileState, error)
	// MakeDir makes a folder whose parent is there. One that is there is ErrNothing.
	MakeDir(p fact.Path, mode uint32, uid, gid int) error
	// RemoveDir removes an empty folder.
	RemoveDir(p fact.Path) error
}

// FileState is all of a file that an undo must put back, but for times and the
// inode's number.
type FileState struct {
	Missing bool              `json:"missing,omitempty"`
	Type    string            `json:"type,omitempty"` // as host.Info
	ID      fact.FileID       `json:"id,omitzero"`
	Mode    uint32            `json:"mode,omitempty"`
	UID     int               `json:"uid"`
	GID     int               `json:"gid"`
	Size    int64             `json:"size,omitempty"`
	SHA256  string            `json:"sha256,omitempty"` // of a regular file; empty above SumLimit
	Link    fact.Path         `json:"link,omitempty"`
	Xattrs  map[string][]byte `json:"xattrs,omitempty"`
	Flags   []string          `json:"flags,omitempty"` // immutable, append
	Links   uint64            `json:"links,omitempty"`
}
