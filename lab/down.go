package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Down ends the host and its world and deletes all that they had. It may be called again after it failed.
func (h *Host) Down() error {
	// Not the caller's context: cleaning up is what happens when that one has ended.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	errs := []error{h.Inside.kill(ctx), h.World.kill(ctx)}
	for _, dir := range h.Cgroups {
		errs = append(errs, until(ctx, 20*time.Second, "cgroup "+dir+" to be empty", func() error { return removeCgroup(dir) }))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take %s down: %w; `demine-lab down %s` tries again", h.Config.Name, err, h.Config.Name)
	}
	if filepath.Base(h.Folder) != filepath.Base(Folder(h.Config.Dir, h.Config.Name)) {
		return fmt.Errorf("refuse to delete %s: not a lab's folder", h.Folder)
	}
	return removeTree(h.Folder)
}

// removeCgroup removes a cgroup and those below it, deepest first.
func removeCgroup(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(dirs)
	for _, d := range dirs {
		if err := syscall.Rmdir(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", d, err)
		}
	}
	return nil
}

// removeTree is os.RemoveAll that first makes files deletable that the host (or demine in it) locked with chattr +i.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	if walked := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !(d.IsDir() || d.Type().IsRegular()) {
			return nil
		}
		return unlock(p)
	}); walked != nil {
		return errors.Join(err, walked)
	}
	return os.RemoveAll(dir)
}
