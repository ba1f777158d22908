// Package corpus searches what honest software is made of for demine's
// patterns: nothing in it may hold mining code.
package corpus

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"demine/internal/format/pattern"
	"demine/patterns"
)

// BenchmarkCorpus searches every program, library and script of all packages
// that are installed here, and of the *.deb files in the folder that
// DEMINE_CORPUS names (fill it with "apt-get download"). It reports how many
// those were, and fails on one that holds a conclusive pattern or two strong
// ones: what rules take for mining code.
func BenchmarkCorpus(b *testing.B) {
	ps, err := patterns.Load()
	if err != nil {
		b.Fatal(err)
	}
	set, err := pattern.Compile(ps)
	if err != nil {
		b.Fatal(err)
	}
	c := &corpus{b: b, set: set, seen: map[string]bool{}}
	c.installed()
	c.downloaded(os.Getenv("DEMINE_CORPUS"))
	b.ReportMetric(float64(c.packages), "packages")
	b.ReportMetric(float64(c.files), "files")
	b.ReportMetric(float64(c.bytes)/1e9, "GB")
	b.ReportMetric(float64(c.strong), "files-with-one-strong")
	b.ReportMetric(float64(c.wrong), "false-alarms")
	b.ReportMetric(0, "ns/op")
	for range b.N { // the figures are the metrics, not the loop
	}
}

// algorithm is the package of RandomX itself, which the Monero node of Debian
// loads: the patterns are found in it, or they are wrong.
const algorithm = "librandomx0"

type corpus struct {
	b        *testing.B
	set      *pattern.Set
	seen     map[string]bool // paths; several packages can list one
	packages int
	files    int
	bytes    int64
	strong   int
	wrong    int
}

// installed goes through the lists of dpkg.
func (c *corpus) installed() {
	lists, _ := filepath.Glob("/var/lib/dpkg/info/*.list")
	if len(lists) == 0 {
		c.b.Fatal("no packages of dpkg are installed")
	}
	for _, l := range lists {
		text, err := os.ReadFile(l)
		if err != nil {
			c.b.Fatal(err)
		}
		c.packages++
		pkg := strings.TrimSuffix(filepath.Base(l), ".list")
		for name := range strings.Lines(string(text)) {
			name = strings.TrimSuffix(name, "\n")
			if i, err := os.Lstat(name); err == nil && i.Mode().IsRegular() && !c.seen[name] {
				c.seen[name] = true
				c.open(pkg, name)
			}
		}
	}
}

func (c *corpus) open(pkg, name string) {
	f, err := os.Open(name)
	if err != nil {
		return // listed, and taken away since
	}
	defer f.Close()
	if err := c.search(pkg, name, f); err != nil {
		c.b.Errorf("%s: %v", name, err)
	}
}

// downloaded reads packages without unpacking them to disk.
func (c *corpus) downloaded(dir string) {
	if dir == "" {
		return
	}
	debs, _ := filepath.Glob(filepath.Join(dir, "*.deb"))
	for _, deb := range debs {
		if err := c.deb(deb); err != nil {
			c.b.Errorf("%s: %v", deb, err)
		}
		c.packages++
	}
}

func (c *corpus) deb(name string) error {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := tar.NewReader(out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, cmd.Wait())
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := c.search(filepath.Base(name), h.Name, r); err != nil {
			return errors.Join(err, cmd.Wait())
		}
	}
	_, _ = io.Copy(io.Discard, out)
	return cmd.Wait()
}

// search reads a program or a script to its end; other files are left.
func (c *corpus) search(pkg, name string, r io.Reader) error {
	head := make([]byte, 4)
	n, err := io.ReadFull(r, head)
	if err != nil || !bytes.Equal(head, []byte("\x7fELF")) && !bytes.HasPrefix(head, []byte("#!")) {
		return nil
	}
	found := map[string]string{}
	s := c.set.Scanner()
	s.Hit = func(id int, _ int64) { found[c.set.At(id).ID] = c.set.At(id).Strength }
	_, _ = s.Write(head[:n])
	size, err := io.CopyBuffer(struct{ io.Writer }{s}, struct{ io.Reader }{r}, make([]byte, 256<<10))
	c.files++
	c.bytes += size
	c.judge(pkg, name, found)
	return err
}

// judge is what rules call mining code.
func (c *corpus) judge(pkg, name string, found map[string]string) {
	var ids []string
	conclusive, strong := false, 0
	for id, strength := range found {
		switch strength {
		case pattern.Conclusive:
			conclusive = true
		case pattern.Strong:
			strong++
		default:
			continue
		}
		ids = append(ids, id)
	}
	sort.Strings(ids)
	switch {
	case len(ids) == 0:
	case !conclusive && strong < 2:
		c.strong++
		c.b.Logf("one strong pattern: %s %s: %s", pkg, name, ids[0])
	case strings.HasPrefix(pkg, algorithm):
		c.b.Logf("the algorithm itself: %s %s: %s", pkg, name, strings.Join(ids, " "))
	default:
		c.wrong++
		c.b.Errorf("%s %s: %s", pkg, name, strings.Join(ids, " "))
	}
}
