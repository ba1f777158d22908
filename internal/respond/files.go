package respond

import (
	"context"
	"slices"

	"demine/internal/fact"
)

// Files changes files. Every method names the file together with what it is
// expected to be and does nothing (ErrDrifted, ErrGone) when that is not so.
// Folders on the way are walked by descriptor; a link is followed only where
// root alone could have made it. What returns without an error is on disk.
type Files interface {
	// State describes a file (not following a link at its end) and its content by
	// sum. A file that is not there gives a State with Missing set and no error.
	State(p fact.Path) (FileState, error)
	// Save puts the content of a regular file into the vault.
	Save(ctx context.Context, p fact.Path, was FileState, v Vault) (Blob, error)
	// Replace gives a regular file new content. Mode, owner, xattrs and flags stay
	// as they are, the modification time moves (Debian's cron looks at it). It is
	// all or nothing also in a crash, but for a file that no other can take the
	// place of (it has several names, is mounted, or the disk is full and the new
	// content is no longer): that one is written in place, so its content must be
	// in the vault before. A file that is not there is made with the mode and
	// owner of was.
	Replace(p fact.Path, was FileState, content []byte) (FileState, error)
	// Remove takes the file away: it is renamed aside, looked at again, and
	// unlinked through the descriptor of its folder. Flags are taken off.
	Remove(p fact.Path, was FileState) error
	// Restore puts a file or link back as it was: content, mode, owner, xattrs,
	// flags, also the flags of its folder. now is what is expected in its place;
	// content is nil for a link and for a file that was missing.
	Restore(p fact.Path, now, was FileState, content *Blob, v Vault) error
	// SetMeta gives a regular file the mode, owner, xattrs and flags of to, and
	// its folder the folder's flags of to.
	SetMeta(p fact.Path, was, to FileState) (FileState, error)
	// SetOwner gives a regular file or folder another owner and mode. Its content
	// may change meanwhile: that of a log does.
	SetOwner(p fact.Path, was, to FileOwner) error
	// MakeDir makes a folder whose parent is there. One that is there is ErrNothing.
	MakeDir(p fact.Path, mode uint32, uid, gid int) error
	// RemoveDir removes an empty folder. One that is not there is ErrNothing.
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
	Flags   []string          `json:"flags,omitempty"`  // immutable, append
	Folder  []string          `json:"folder,omitempty"` // flags of the folder that it is in
	Links   uint64            `json:"links,omitempty"`
}

// SumLimit is the size up to which the content of a file is summed.
const SumLimit = 1 << 30

// is reports whether a file is still what it was: the same inode with the same
// content, mode and owner.
func (s FileState) is(was FileState) bool {
	if s.Missing || was.Missing {
		return s.Missing && was.Missing
	}
	return s.ID == was.ID && s.alike(was)
}

// alike is is for a file that may have been put back: another inode.
func (s FileState) alike(was FileState) bool {
	if s.Missing || was.Missing {
		return s.Missing && was.Missing
	}
	return s.Type == was.Type && s.Size == was.Size && s.SHA256 == was.SHA256 && s.Link == was.Link &&
		s.Mode == was.Mode && s.UID == was.UID && s.GID == was.GID
}

func (s FileState) has(flag string) bool { return slices.Contains(s.Flags, flag) }

// seenFile is what a step on a file depends on, for Expect.
type seenFile struct {
	Type   string      `json:"type"`
	ID     fact.FileID `json:"id"`
	Size   int64       `json:"size"`
	SHA256 string      `json:"sha256,omitempty"`
	Mode   uint32      `json:"mode"`
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`
}

func (s FileState) seen() seenFile {
	return seenFile{s.Type, s.ID, s.Size, s.SHA256, s.Mode, s.UID, s.GID}
}
