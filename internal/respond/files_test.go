package respond

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// shelf is a Vault in memory.
type shelf struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (v *shelf) Put(_ context.Context, _ string, r io.Reader) (Blob, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return Blob{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.kept == nil {
		v.kept = map[string][]byte{}
	}
	s := sha256.Sum256(b)
	id := "B" + strconv.Itoa(len(v.kept)+1)
	v.kept[id] = b
	return Blob{ID: id, Size: int64(len(b)), SHA256: hex.EncodeToString(s[:])}, nil
}

func (v *shelf) Get(b Blob) (io.ReadCloser, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c, ok := v.kept[b.ID]
	if !ok {
		return nil, os.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(c)), nil
}

// folderFor is a folder below /root: nobody but root has a say on the way, as
// on the ways to system files.
func folderFor(t *testing.T) string {
	t.Helper()
	t.Setenv("TMPDIR", "/root")
	dir := t.TempDir()
	t.Cleanup(func() { dropFlags(dir) })
	ok(t, os.Chmod(dir, 0o755))
	return dir
}

// dropFlags lets a folder be removed.
func dropFlags(dir string) {
	_ = filepath.WalkDir(dir, func(p string, _ os.DirEntry, _ error) error {
		if fd, err := unix.Open(p, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0); err == nil {
			_ = setFlags(fd, nil)
			unix.Close(fd)
		}
		return nil
	})
}

func plant(t *testing.T, p, content string) fact.Path {
	t.Helper()
	if err := os.WriteFile(p, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	return fact.Path(p)
}

func contentOf(t *testing.T, p fact.Path) string {
	t.Helper()
	b, err := os.ReadFile(string(p))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func stateAt(t *testing.T, p fact.Path) FileState {
	t.Helper()
	s, err := LiveFiles().State(p)
	ok(t, err)
	return s
}

// lasting is what an undo must put back: all but the inode.
var lasting = cmpopts.IgnoreFields(FileState{}, "ID")

// nothingLeft: demine's own temporary names are gone.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	ok(t, err)
	for _, e := range es {
		if strings.HasPrefix(e.Name(), ".demine-") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func setFlagsAt(t *testing.T, p string, flags ...string) {
	t.Helper()
	fd, err := unix.Open(p, unix.O_RDONLY, 0)
	ok(t, err)
	defer unix.Close(fd)
	ok(t, setFlags(fd, flags))
}

// acl is a POSIX ACL of version 2 (linux/posix_acl_xattr.h): user::rw-,
// user:65534:r--, group::r--, mask::r--, other::---.
var acl = []byte("\x02\x00\x00\x00" +
	"\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xfe\xff\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
	"\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff")

// capability is CAP_NET_RAW permitted and effective, VFS_CAP_REVISION_2.
var capability = []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// decked gives a file all that a file can have.
func decked(t *testing.T, p string) fact.Path {
	t.Helper()
	plant(t, p, "one\ntwo\n")
	ok(t, os.Chown(p, 65534, 65533))
	ok(t, os.Chmod(p, 0o640))
	ok(t, unix.Setxattr(p, "user.note", []byte("mine"), 0))
	ok(t, unix.Setxattr(p, "trusted.note", []byte{0, 1, 255}, 0))
	ok(t, unix.Setxattr(p, "security.capability", capability, 0))
	ok(t, unix.Setxattr(p, "system.posix_acl_access", acl, 0))
	return fact.Path(p)
}

func TestReplaceKeepsAllButContent(t *testing.T) {
	dir := folderFor(t)
	p := decked(t, dir+"/f")
	ok(t, unix.Chmod(string(p), 0o4751)) // the mode and the mask of the ACL are one
	setFlagsAt(t, string(p), "immutable")
	setFlagsAt(t, dir, "append")
	was := stateAt(t, p)
	if len(was.Xattrs) != 4 || !was.has("immutable") || len(was.Folder) != 1 {
		t.Fatalf("the file is not decked: %+v", was)
	}
	got, err := LiveFiles().Replace(p, was, []byte("two\n"))
	ok(t, err)
	want := was
	want.Size, want.SHA256 = 4, sumHex([]byte("two\n"))
	if d := cmp.Diff(want, got, lasting); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got.ID == was.ID {
		t.Error("written in place")
	}
	nothingLeft(t, dir)
}

// A file whose time says that it was written this second, or will be in the
// future, gets another time: cron compares seconds for equality. The folder's
// counts too.
func TestReplaceMovesTime(t *testing.T) {
	for name, links := range map[string]int{"swapped": 1, "in place": 2} {
		t.Run(name, func(t *testing.T) {
			dir := folderFor(t)
			p := plant(t, dir+"/f", "one\n")
			if links > 1 {
				ok(t, os.Link(string(p), dir+"/g"))
			}
			for _, at := range []time.Time{time.Now(), time.Now().Add(time.Second), time.Now().Add(time.Hour)} {
				ok(t, os.Chtimes(string(p), at, at))
				ok(t, os.Chtimes(dir, at, at))
				_, err := LiveFiles().Replace(p, stateAt(t, p), []byte("two\n"))
				ok(t, err)
				for _, x := range []string{string(p), dir} {
					i, err := os.Stat(x)
					ok(t, err)
					if i.ModTime().Unix() == at.Unix() {
						t.Errorf("%s: mtime is still that of %v", x, at)
					}
				}
			}
		})
	}
}

func TestReplaceMakes(t *testing.T) {
	dir := folderFor(t)
	setFlagsAt(t, dir, "immutable")
	p := fact.Path(dir + "/new")
	was := FileState{Missing: true, Mode: 0o604, UID: 7, GID: 8, Xattrs: map[string][]byte{"user.a": []byte("b")}}
	got, err := LiveFiles().Replace(p, was, []byte("x"))
	ok(t, err)
	want := FileState{
		Type: "regular", Mode: 0o604, UID: 7, GID: 8, Size: 1, SHA256: sumHex([]byte("x")), Xattrs: was.Xattrs, Links: 1,
		Folder: []string{"immutable"},
	}
	if d := cmp.Diff(want, got, lasting); d != "" {
		t.Error(d)
	}
	if _, err := LiveFiles().Replace(p, was, []byte("y")); !errors.Is(err, ErrDrifted) {
		t.Errorf("a file that is there was made anew: %v", err)
	}
	nothingLeft(t, dir)
}

// Whoever changed the file since keeps what he did.
func TestChangedSince(t *testing.T) {
	dir := t.TempDir()
	ways := map[string]func(p string) error{
		"content": func(p string) error { return os.WriteFile(p, []byte("ONE\n"), 0o640) },
		"mode":    func(p string) error { return os.Chmod(p, 0o600) },
		"owner":   func(p string) error { return os.Chown(p, 5, 5) },
		"inode": func(p string) error {
			return errors.Join(os.Rename(p, p+".old"), os.WriteFile(p, []byte("one\n"), 0o640), os.Chmod(p, 0o640))
		},
		"fifo": func(p string) error { return errors.Join(os.Remove(p), unix.Mkfifo(p, 0o640)) },
		"link": func(p string) error {
			return errors.Join(os.Rename(p, p+".old"), os.Symlink(p+".old", p))
		},
		"folder": func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) },
	}
	for name, change := range ways {
		t.Run(name, func(t *testing.T) {
			p := plant(t, dir+"/"+name, "one\n")
			was := stateAt(t, p)
			ok(t, change(string(p)))
			now := stateAt(t, p)
			l, v := LiveFiles(), &shelf{}
			_, replaced := l.Replace(p, was, []byte("two\n"))
			_, set := l.SetMeta(p, was, was)
			_, saved := l.Save(t.Context(), p, was, v)
			for op, err := range map[string]error{
				"replace": replaced, "set": set, "save": saved, "remove": l.Remove(p, was), "restore": l.Restore(p, was, was, &Blob{}, v),
			} {
				if !errors.Is(err, ErrDrifted) {
					t.Errorf("%s: %v", op, err)
				}
			}
			if d := cmp.Diff(now, stateAt(t, p)); d != "" {
				t.Error(d)
			}
		})
	}
	nothingLeft(t, dir)
}

// A folder on the way that is a link which somebody else may have put there
// leads nowhere; one of root's in root's folder is followed.
func TestLinksOnTheWay(t *testing.T) {
	dir := folderFor(t)
	ok(t, os.MkdirAll(dir+"/real/home", 0o755))
	ok(t, os.Symlink("real/../real", dir+"/ours"))
	p := plant(t, dir+"/real/home/f", "one\n")
	if s := stateAt(t, fact.Path(dir+"/ours/home/f")); s.ID != stateAt(t, p).ID {
		t.Errorf("root's own link was not followed: %+v", s)
	}
	ok(t, os.Chown(dir+"/real/home", 65534, 65534))
	ok(t, os.Mkdir(dir+"/secret", 0o755))
	victim := plant(t, dir+"/secret/f", "one\n")
	ok(t, os.Symlink(dir+"/secret", dir+"/real/home/.ssh"))
	_, err := LiveFiles().State(fact.Path(dir + "/real/home/.ssh/f"))
	if !errors.Is(err, errForeignLink) {
		t.Errorf("a link in a user's folder was followed: %v", err)
	}
	if err := LiveFiles().Remove(fact.Path(dir+"/real/home/.ssh/f"), stateAt(t, victim)); !errors.Is(err, ErrDrifted) {
		t.Error(err)
	}
	ok(t, os.Symlink("/proc/self/root", dir+"/root"))
	if _, err := LiveFiles().State("/proc/self/cwd/x"); !errors.Is(err, errForeignLink) {
		t.Errorf("a link of proc was followed: %v", err)
	}
	if contentOf(t, victim) != "one\n" {
		t.Error("the victim was hit")
	}
}

// The trap is sprung between each look and each change: a user who owns the
// folder swaps the file for a link or another file as fast as he can. The
// victim is never touched.
func TestTrapNeverHitsTheVictim(t *testing.T) {
	dir := t.TempDir()
	victim := decked(t, dir+"/victim")
	before := stateAt(t, victim)
	home := dir + "/home"
	ok(t, os.Mkdir(home, 0o700))
	plant(t, home+"/f", "one\ntwo\n")
	ok(t, os.Symlink(string(victim), home+"/trap"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, home+"/f", unix.AT_FDCWD, home+"/trap", unix.RENAME_EXCHANGE)
			}
		}
	})
	l := LiveFiles()
	changed := 0
	for n := 0; n < 400 || changed < 3 && n < 100_000; n++ {
		p := fact.Path(home + "/f")
		was, err := l.State(p)
		if err != nil || was.Type != "regular" {
			continue
		}
		if _, err := l.Replace(p, was, []byte("three\n")); err == nil {
			changed++
		}
		if was, err = l.State(p); err == nil && was.Type == "regular" {
			_, _ = l.SetMeta(p, was, FileState{Type: "regular", Mode: 0o777})
		}
		if was, err = l.State(p); err == nil && was.Type == "regular" {
			_ = l.Remove(p, was)
			_ = os.WriteFile(home+"/f2", []byte("one\ntwo\n"), 0o600)
			_ = os.Rename(home+"/f2", home+"/f")
		}
	}
	close(stop)
	wg.Wait()
	if changed == 0 {
		t.Error("nothing was ever changed: the test shows nothing")
	}
	if d := cmp.Diff(before, stateAt(t, victim)); d != "" {
		t.Errorf("the victim was hit:\n%s", d)
	}
}

func TestSeveralNames(t *testing.T) {
	dir := folderFor(t)
	p := plant(t, dir+"/f", "one\ntwo\n")
	ok(t, os.Link(string(p), dir+"/g"))
	was := stateAt(t, p)
	got, err := LiveFiles().Replace(p, was, []byte("two\n"))
	ok(t, err)
	if got.ID != was.ID || contentOf(t, fact.Path(dir+"/g")) != "two\n" {
		t.Error("the other name kept the old content")
	}
	ok(t, os.Chmod(dir, 0o777)) // now anybody could have made the second name
	var r *Refusal
	if _, err := LiveFiles().Replace(p, got, []byte("three\n")); !errors.As(err, &r) || r.ID != "refuse.file.several-names" {
		t.Errorf("got %v", err)
	}
	if _, err := LiveFiles().SetMeta(p, got, was); !errors.As(err, &r) {
		t.Errorf("got %v", err)
	}
	if contentOf(t, p) != "two\n" {
		t.Error("it was written to")
	}
}

func TestSaveRemoveRestoreIsIdentity(t *testing.T) {
	dir := folderFor(t)
	p := decked(t, dir+"/f")
	setFlagsAt(t, string(p), "immutable", "append")
	setFlagsAt(t, dir, "immutable")
	was := stateAt(t, p)
	l, v := LiveFiles(), &shelf{}
	blob, err := l.Save(t.Context(), p, was, v)
	ok(t, err)
	ok(t, l.Remove(p, was))
	gone := stateAt(t, p)
	if !gone.Missing {
		t.Fatalf("still there: %+v", gone)
	}
	if err := l.Remove(p, was); !errors.Is(err, ErrGone) {
		t.Errorf("removed twice: %v", err)
	}
	ok(t, l.Restore(p, gone, was, &blob, v))
	if d := cmp.Diff(was, stateAt(t, p), lasting); d != "" {
		t.Errorf("-was +restored\n%s", d)
	}
	if contentOf(t, p) != "one\ntwo\n" {
		t.Error("content differs")
	}
	setFlagsAt(t, dir)
	nothingLeft(t, dir)
}

func TestRestoreLink(t *testing.T) {
	dir := t.TempDir()
	p := fact.Path(dir + "/l")
	ok(t, os.Symlink("/no/where", string(p)))
	ok(t, os.Lchown(string(p), 5, 6))
	was := stateAt(t, p)
	ok(t, LiveFiles().Remove(p, was))
	ok(t, LiveFiles().Restore(p, FileState{Missing: true}, was, nil, nil))
	if d := cmp.Diff(was, stateAt(t, p), lasting); d != "" {
		t.Error(d)
	}
	nothingLeft(t, dir)
}

// What a vault gives back with a wrong sum does not take the file's place.
func TestRestoreBrokenBlob(t *testing.T) {
	dir := t.TempDir()
	p := plant(t, dir+"/f", "now\n")
	was := stateAt(t, p)
	if err := LiveFiles().Restore(p, was, was, &Blob{ID: "none"}, &shelf{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if d := cmp.Diff(was, stateAt(t, p)); d != "" {
		t.Error(d)
	}
	nothingLeft(t, dir)
}

// aside runs f in a mount namespace of its own.
func ownMounts(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread must not be used again
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil { // or the machine's own mounts would be changed
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

func mountTmpfs(dir string) error { return unix.Mount("none", dir, "tmpfs", 0, "") }

func TestFullDisk(t *testing.T) {
	dir := folderFor(t)
	ownMounts(t, func() {
		if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = unix.Unmount(dir, unix.MNT_DETACH) }()
		text := strings.Repeat("0123456789abcde\n", 1024)
		p := fact.Path(dir + "/f")
		if err := os.WriteFile(string(p), []byte(text), 0o600); err != nil {
			t.Error(err)
			return
		}
		fill, _ := os.Create(dir + "/fill")
		for err := error(nil); err == nil; _, err = fill.Write(make([]byte, 4096)) {
		}
		fill.Close()
		was, err := LiveFiles().State(p)
		if err != nil {
			t.Error(err)
		}
		if _, err := LiveFiles().Replace(p, was, []byte(text+text)); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("a full disk took it: %v", err)
		}
		if now, err := LiveFiles().State(p); err != nil || cmp.Diff(was, now) != "" {
			t.Errorf("half done: %v %s", err, cmp.Diff(was, now))
		}
		// A line can still be taken out.
		if now, err := LiveFiles().Replace(p, was, []byte(text[16:])); err != nil || now.ID != was.ID || now.SHA256 != sumHex([]byte(text[16:])) {
			t.Errorf("%v %+v", err, now)
		}
	})
	nothingLeft(t, dir)
}

func TestMountedFile(t *testing.T) {
	dir := folderFor(t)
	p := plant(t, dir+"/f", "under\n")
	other := plant(t, dir+"/other", "one\ntwo\n")
	ownMounts(t, func() {
		if err := unix.Mount(string(other), string(p), "", unix.MS_BIND, ""); err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = unix.Unmount(string(p), unix.MNT_DETACH) }()
		was, err := LiveFiles().State(p)
		if err != nil || was.Size != 8 {
			t.Errorf("%v %+v", err, was)
		}
		now, err := LiveFiles().Replace(p, was, []byte("two\n"))
		if err != nil || now.ID != was.ID {
			t.Errorf("%v %+v", err, now)
		}
		if err := LiveFiles().Remove(p, now); !errors.Is(err, unix.EBUSY) {
			t.Errorf("removed a mount point: %v", err)
		}
		if err := unix.Mount("", string(p), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Error(err)
		}
		if _, err := LiveFiles().Replace(p, now, []byte("3\n")); !errors.Is(err, unix.EROFS) {
			t.Errorf("read-only: %v", err)
		}
	})
	if contentOf(t, p) != "under\n" || contentOf(t, other) != "two\n" {
		t.Errorf("%q %q", contentOf(t, p), contentOf(t, other))
	}
	nothingLeft(t, dir)
}

func TestTorn(t *testing.T) {
	old, next := []byte("aaaabbbbcccc"), []byte("bbbbcccc")
	for n := range len(next) + 1 {
		if !torn(append(append([]byte{}, next[:n]...), old[n:]...), old, next) {
			t.Errorf("cut off after %d bytes is not seen", n)
		}
	}
	if torn([]byte("aaaaXbbbcccc"), old, next) || torn(nil, old, next) {
		t.Error("what somebody wrote is taken for a crash")
	}
}

func TestMakeDir(t *testing.T) {
	dir := t.TempDir()
	p := fact.Path(dir + "/d")
	l := LiveFiles()
	ok(t, l.MakeDir(p, 0o2750, 5, 6))
	if s := stateAt(t, p); s.Type != "dir" || s.Mode != 0o2750 || s.UID != 5 || s.GID != 6 {
		t.Errorf("%+v", s)
	}
	if err := l.MakeDir(p, 0o755, 0, 0); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	ok(t, l.RemoveDir(p))
	if err := l.RemoveDir(p); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	plant(t, string(p), "")
	if err := l.MakeDir(p, 0o755, 0, 0); !errors.Is(err, ErrDrifted) {
		t.Error(err)
	}
}
