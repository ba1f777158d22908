package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"demine/internal/fact"
	"demine/internal/host"
)

// taken is a file of the host that is to be taken.
type taken struct {
	path fact.Path
	most int  // bytes
	tail bool // of a larger one the end, else the head
	held bool // a link of the kernel (/proc/PID/exe), which is followed
	sum  bool // of a file that is cut, the sum of the whole as well
	way
}

// found is what was read of one.
type found struct {
	bytes []byte
	kept  Kept
}

func missing(err error) bool { return host.Gone(err) || host.Missing(err) }

// errLink: a user could have put a link where his file should be, to what
// only root may read.
var errLink = errors.New("is a link in a folder that others can write")

// read reads a regular file, at most so much of it.
func (a *Agent) read(t taken) (found, error) {
	var seen host.Info
	if !t.held {
		var err error
		if seen, err = a.straight(t.path); err != nil {
			return found{}, err
		}
	}
	r, info, err := a.h.Files.Open(t.path)
	if err != nil {
		return found{}, err
	}
	defer r.Close()
	if !t.held && info.ID != seen.ID {
		return found{}, fmt.Errorf("%s: %w", t.path, errLink)
	}
	size := min(info.Size, int64(t.most))
	off, cut := int64(0), ""
	if info.Size > size {
		cut = "head"
		if t.tail {
			off, cut = info.Size-size, "tail"
		}
	}
	b := make([]byte, size)
	n, err := r.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return found{}, err
	}
	k := Kept{Path: t.path, Of: info.Size, Cut: cut, Mode: info.Mode, UID: info.UID, GID: info.GID,
		Modified: info.Modified, Changed: info.Changed, Born: info.Born}
	if t.sum && cut != "" && info.Size <= mostSummed {
		k.Whole = wholeSum(r, info.Size)
	}
	return found{b[:n], k}, nil
}

// A larger file would take the disk from the business for too long.
const mostSummed = 512 << 20

func wholeSum(r io.ReaderAt, size int64) string {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, size)); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// straight gives what stands at a path, and refuses a link that somebody else
// than root could have put there.
func (a *Agent) straight(p fact.Path) (host.Info, error) {
	at, ours := "/", true
	for _, name := range strings.Split(strings.Trim(path.Clean(string(p)), "/"), "/") {
		folder, err := a.h.Files.Stat(fact.Path(at))
		if err != nil {
			return host.Info{}, err
		}
		ours = ours && folder.UID == 0 && folder.Mode&0o022 == 0
		at = path.Join(at, name)
		i, err := a.h.Files.Lstat(fact.Path(at))
		if err != nil {
			return i, err
		}
		if i.Type == "link" && !ours {
			return i, &fs.PathError{Op: "open", Path: p.String(), Err: errLink}
		}
	}
	return a.h.Files.Stat(p)
}

// isDump: the file is a dump of Redis.
func isDump(b []byte) bool { return len(b) > 9 && string(b[:5]) == "REDIS" }
