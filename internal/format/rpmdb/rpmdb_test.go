package rpmdb

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shipped is the digest of the script that the packages of testdata/make.sh ship.
const shipped = "722b156efff3ed105293b7d9b5c1106a4a40069e9c1f33e095c2f1ec87214d9e"

var databases = []string{"Packages", "Packages.db", "rpmdb.sqlite"}

func database(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func all(b []byte, want map[string]bool) (headers int, files []File, err error) {
	for h, e := range Headers(bytes.NewReader(b), int64(len(b))) {
		if e != nil {
			return headers, files, e
		}
		headers++
		f, e := Files(h, Want(want))
		if e != nil {
			return headers, files, e
		}
		files = append(files, f...)
	}
	return headers, files, nil
}

func TestDatabases(t *testing.T) {
	want := []File{
		{"/etc/tools.conf", "tools", ""}, // the administrator's to change
		{"/usr/bin/good", "tools", shipped},
		{"/usr/bin/link", "tools", ""},
		{"/usr/share/many/file-400", "tools-many", "e4df891c484d7abb985dadf539fa1883a646dab6337af5cae4159c587b7050cc"},
		{"/var/log/tools.log", "tools", ""},
	}
	ask := map[string]bool{"/usr/bin/other": true, "good": true}
	for _, f := range want {
		ask[f.Path] = true
	}
	for _, name := range databases {
		n, got, err := all(database(t, name), ask)
		slices.SortFunc(got, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
		if d := cmp.Diff(want, got); n != 62 || err != nil || d != "" {
			t.Errorf("%s: %d headers, %v %s", name, n, err, d)
		}
	}
}

// Who has enough stops; a damaged database says so instead of giving less.
func TestDatabasesCutOff(t *testing.T) {
	for _, name := range databases {
		b := database(t, name)
		for range Headers(bytes.NewReader(b), int64(len(b))) {
			break
		}
		if n, _, err := all(b[:len(b)/2], nil); err == nil || n >= 62 {
			t.Errorf("%s: half of it: %d headers, %v", name, n, err)
		}
	}
	if _, _, err := all(bytes.Repeat([]byte{'x'}, 4096), nil); !errors.Is(err, ErrKind) {
		t.Error(err)
	}
	if _, _, err := all(nil, nil); !errors.Is(err, ErrKind) {
		t.Error(err)
	}
}

// Numbers that are wrong cost no more than reading the file some times.
func FuzzHeaders(f *testing.F) {
	var base [][]byte
	for i, name := range databases {
		base = append(base, database(f, name))
		f.Add(uint8(i), uint32(0), []byte{})
		f.Add(uint8(i), uint32(3*4096+16), []byte{3, 0, 0, 0}) // the next page of an overflow page
	}
	want := map[string]bool{"/usr/bin/good": true}
	f.Fuzz(func(t *testing.T, kind uint8, at uint32, patch []byte) {
		b := slices.Clone(base[int(kind)%len(base)])
		copy(b[int(at)%len(b):], patch)
		r := &counted{r: bytes.NewReader(b)}
		for h, err := range Headers(r, int64(len(b))) {
			if err != nil {
				continue
			}
			files, _ := Files(h, Want(want))
			for _, x := range files {
				if !want[x.Path] {
					t.Fatalf("%+v", x)
				}
			}
		}
		// At worst every page is read by itself, with a whole window, in each of two walks.
		if most := int64(len(b)/512+10) * 2 * window; r.n > most {
			t.Fatalf("%d bytes of %d were read", r.n, len(b))
		}
	})
}

type counted struct {
	r io.ReaderAt
	n int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

func FuzzFiles(f *testing.F) {
	for h, err := range Headers(bytes.NewReader(database(f, "Packages.db")), int64(len(database(f, "Packages.db")))) {
		if err != nil {
			f.Fatal(err)
		}
		if f.Add(slices.Clone(h)); len(h) > 10_000 {
			break
		}
	}
	f.Fuzz(func(t *testing.T, h []byte) {
		files, err := Files(h, Want(map[string]bool{"/usr/bin/good": true}))
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		for _, x := range files {
			if x.Path != "/usr/bin/good" {
				t.Fatal(x)
			}
		}
	})
}
