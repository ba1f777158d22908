package respond

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
)

// seeFile describes a file of a host, not following a link at its end. A host
// that does not run has no xattrs, and all that it holds is taken for root's.
func seeFile(h *host.Host, p fact.Path) (FileState, error) {
	if h.Name == "live" {
		return liveFiles{}.State(p)
	}
	i, err := h.Files.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return FileState{Missing: true}, nil
	}
	if err != nil {
		return FileState{}, err
	}
	st := FileState{Type: i.Type, ID: i.ID, Mode: i.Mode, UID: i.UID, GID: i.GID, Size: i.Size, Links: i.Links}
	switch i.Type {
	case "link":
		st.Link, err = h.Files.Readlink(p)
	case "regular":
		if st.Flags, err = h.Files.Flags(p); err == nil && st.Size <= SumLimit {
			st.SHA256, err = sumThrough(h, p)
		}
	}
	return st, err
}

func sumThrough(h *host.Host, p fact.Path) (string, error) {
	f, i, err := h.Files.Open(p)
	if err != nil {
		return "", err
	}
	s := sha256.New()
	_, err = io.Copy(s, io.NewSectionReader(f, 0, i.Size))
	return hex.EncodeToString(s.Sum(nil)), errors.Join(err, f.Close())
}

// realPath gives what a path leads to: the links at its end are followed as long
// as only root could have made them (/etc/rc.local of Red Hat is one).
func realPath(h *host.Host, p fact.Path) (fact.Path, error) {
	for range maxLinks {
		to, err := linkTarget(h, p)
		if err != nil || to == "" {
			return p, err
		}
		if !strings.HasPrefix(string(to), "/") {
			to = host.Join(fact.Path(path.Dir(string(p))), string(to))
		}
		p = fact.Path(path.Clean(string(to)))
	}
	return p, unix.ELOOP
}

// linkTarget gives the target of a link of root's, or nothing.
func linkTarget(h *host.Host, p fact.Path) (fact.Path, error) {
	if h.Name != "live" {
		if i, err := h.Files.Lstat(p); err != nil || i.Type != "link" {
			return "", nil
		}
		return h.Files.Readlink(p)
	}
	f, err := openFolder(p)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.close()
	var st unix.Stat_t
	if unix.Fstatat(f.fd, f.name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK || st.Uid != 0 || !f.ours {
		return "", nil
	}
	to, err := readlinkat(f.fd, f.name)
	return fact.Path(to), f.wrap("read link", err)
}
