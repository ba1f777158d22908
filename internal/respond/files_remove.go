package respond

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

func (liveFiles) Save(ctx context.Context, p fact.Path, was FileState, v Vault) (Blob, error) {
	f, err := openFolder(p)
	if err != nil {
		return Blob{}, err
	}
	defer f.close()
	fd, now, err := f.expect(was)
	if err != nil {
		return Blob{}, f.wrap("save", err)
	}
	defer closeFile(fd)
	if now.Type != "regular" {
		return Blob{}, f.wrap("save", ErrDrifted)
	}
	b, err := v.Put(ctx, f.name, contentOfFD(fd, now.Size+1))
	if err == nil && (b.Size != now.Size || now.SHA256 != "" && b.SHA256 != now.SHA256) {
		err = fmt.Errorf("%w: it is being written", ErrDrifted)
	}
	return b, f.wrap("save", err)
}

func (liveFiles) Remove(p fact.Path, was FileState) error {
	f, err := openFolder(p)
	if err != nil {
		return err
	}
	defer f.close()
	fd, now, err := f.expect(was)
	if err != nil {
		return f.wrap("remove", err)
	}
	defer closeFile(fd)
	if now.Missing {
		return nil
	}
	if now.Type == "dir" {
		return f.wrap("remove", unix.EISDIR)
	}
	if err := f.loosen(fd); err != nil {
		return f.wrap("remove", err)
	}
	err = f.takeAway(now)
	if err != nil && fd >= 0 {
		err = errors.Join(err, setFlags(fd, now.Flags))
	}
	return f.wrap("remove", errors.Join(err, setFlags(f.fd, now.Folder)))
}

// takeAway renames a file aside and unlinks it if it was the right one.
func (f *folder) takeAway(now FileState) error {
	before, err := f.times(-1)
	if err != nil {
		return err
	}
	aside := f.temporaryName(".old")
	f.unlink(aside)
	if err := unix.Renameat(f.fd, f.name, f.fd, aside); err != nil {
		return err
	}
	if id, err := f.idOf(aside); err != nil || id != now.ID {
		return errors.Join(ErrDrifted, f.renameFree(aside))
	}
	if err := unix.Unlinkat(f.fd, aside, 0); err != nil {
		return errors.Join(err, f.renameFree(aside))
	}
	return errors.Join(moveTime(f.fd, before.folder), fsync(f.fd))
}

func (l liveFiles) Restore(p fact.Path, now, was FileState, content *Blob, v Vault) error {
	if was.Missing {
		return l.Remove(p, now)
	}
	if was.Type != "regular" && was.Type != "link" || was.Type == "regular" && content == nil {
		return fmt.Errorf("restore %s: a %s is not put back", p, was.Type)
	}
	_, err := putAt(p, now, was, func(w io.Writer) error {
		r, err := v.Get(*content)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, r)
		return errors.Join(err, r.Close())
	})
	return err
}
