package respond

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/mask"
	"demine/internal/format/proc"
	"demine/internal/host"
)

// archive writes what is known of processes as a tar. It holds no secret: what
// stands in arguments and environments is masked.
type archive struct {
	h         *host.Host
	tar       *tar.Writer
	left      int64 // bytes that may still be written
	at        time.Time
	processes int
}

// mostKept processes of one family are described, the image only once.
const mostKept = 200

// mostOfFile is read of one file of procfs.
const mostOfFile = 1 << 20

func newArchive(h *host.Host, out io.Writer, limit int64) *archive {
	return &archive{h: h, tar: tar.NewWriter(out), left: limit, at: h.Now()}
}

// family writes the image first: it is what cannot be had again.
func (a *archive) family(ctx context.Context, f family, ps []Proc) error {
	for _, p := range ps {
		if p.ExeID != f.ID {
			continue
		}
		done, err := a.image(f, p)
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	for _, p := range ps[:min(len(ps), mostKept)] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.process(ctx, p); err != nil {
			return err
		}
	}
	return a.tar.Close()
}

// image copies what the process runs; false when it is not there any more.
func (a *archive) image(f family, p Proc) (bool, error) {
	r, info, err := a.h.Files.Open(pidPath(p.PID) + "/exe")
	if err != nil {
		return false, nil
	}
	defer r.Close()
	if info.ID != f.ID {
		return false, nil
	}
	name, n := "image", info.Size
	if n > a.left-a.left/10 { // the rest is small and as dear
		name, n = "image.part", a.left-a.left/10
	}
	// A file that has become shorter is filled up: the size was promised.
	return true, a.write(name, n, io.MultiReader(io.NewSectionReader(r, 0, n), zeros{}))
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func (a *archive) write(name string, n int64, r io.Reader) error {
	if n > a.left {
		return nil
	}
	if err := a.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: n, ModTime: a.at, Format: tar.FormatPAX}); err != nil {
		return err
	}
	a.left -= n
	_, err := io.CopyN(a.tar, r, n)
	return err
}

func (a *archive) text(p Proc, name string, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return a.write(fmt.Sprintf("%d/%s", p.PID, name), int64(len(b)), bytes.NewReader(b))
}

// process writes what procfs tells of one process, through one descriptor.
func (a *archive) process(ctx context.Context, p Proc) error {
	d, err := a.h.Files.OpenDir(pidPath(p.PID))
	if err != nil {
		return nil
	}
	defer d.Close()
	buf := make([]byte, 0, mostOfFile)
	if q, err := readStat(d, p.PID, buf); err != nil || q.Start != p.Start {
		return nil
	}
	a.processes++
	for _, name := range []string{"stat", "status", "cgroup", "maps", "limits", "mountinfo"} {
		if b, err := d.ReadFile(name, buf); err == nil {
			if err := a.text(p, name, b); err != nil {
				return err
			}
		}
	}
	for _, t := range []struct {
		name string
		text string
	}{
		{"cmdline", maskedList(d, "cmdline", buf, "")},
		{"environ", maskedList(d, "environ", buf, "env")},
		{"links", linksOf(d)},
		{"sockets", a.sockets(ctx, p, d)},
	} {
		if err := a.text(p, t.name, []byte(t.text)); err != nil {
			return err
		}
	}
	return nil
}

// maskedList are the entries of a list with NULs, one a line. first stands before
// them to say which program's arguments they are.
func maskedList(d host.Dir, name string, buf []byte, first string) string {
	b, err := d.ReadFile(name, buf)
	if err != nil {
		return ""
	}
	var words []string
	for _, w := range proc.Cmdline(b) {
		words = append(words, fact.Text([]byte(w)))
	}
	if first == "" {
		return strings.Join(mask.Argv(words), "\n")
	}
	return strings.Join(mask.Argv(append([]string{first}, words...))[1:], "\n")
}

// linksOf are the working folder, the root, the image and the open files.
func linksOf(d host.Dir) string {
	var s strings.Builder
	for _, name := range []string{"exe", "cwd", "root"} {
		if l, err := d.Readlink(name); err == nil {
			fmt.Fprintf(&s, "%s -> %s\n", name, fact.Path(l))
		}
	}
	fds, _ := d.Names("fd")
	for _, fd := range fds[:min(len(fds), 4096)] {
		if l, err := d.Readlink("fd/" + fd); err == nil {
			fmt.Fprintf(&s, "fd/%s -> %s\n", fd, fact.Path(l))
		}
	}
	return s.String()
}

// sockets are those that the process holds, in words.
func (a *archive) sockets(ctx context.Context, p Proc, d host.Dir) string {
	held, err := socketsOf(d)
	if err != nil || len(held) == 0 {
		return ""
	}
	g := &guards{ctx: ctx, h: a.h, sockets: map[uint64][]fact.Socket{}}
	all, err := g.socketsAt(p, d)
	if err != nil {
		return ""
	}
	var s strings.Builder
	for _, c := range all {
		if held[c.Inode] {
			fmt.Fprintf(&s, "%s %s %s:%d %s:%d inode %d\n", c.Proto, c.State, c.Local, c.Port, c.Peer, c.PeerPort, c.Inode)
		}
	}
	return s.String()
}
