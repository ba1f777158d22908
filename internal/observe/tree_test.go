package observe

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/format/yara"
	"demine/internal/host"
)

// constant is one of RandomX; nothing else has it.
func constant(t *testing.T) string {
	b, err := hex.DecodeString("0d2cb592de56a89f47db82ccad3a98d7")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func lay(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func searchTree(t *testing.T, ctx context.Context, rules string, roots ...string) (Part, error) {
	t.Helper()
	sc := Scope{Deep: &Deep{}}
	for _, r := range roots {
		sc.Deep.Roots = append(sc.Deep.Roots, fact.Path(r))
	}
	if rules != "" {
		var err error
		if sc.Yara, err = yara.Parse(yara.Source{Name: "t", Text: []byte(rules)}); err != nil {
			t.Fatal(err)
		}
	}
	in := &fact.Snapshot{}
	return tree.See(ctx, newView(host.Live(), tree, in), in, sc)
}

// A walk reads each file once, enters no link, opens no FIFO, and gives only
// files that hold something.
func TestTree(t *testing.T) {
	dir, away := t.TempDir(), t.TempDir()
	miner := "\x7fELF" + constant(t)
	lay(t, away, map[string]string{"outside": miner})
	lay(t, dir, map[string]string{
		"a/miner": miner, "a/b/late": strings.Repeat("x", 3*imageChunk-8) + constant(t),
		"a/honest": "\x7fELF", "text": "xmrig is a miner", "empty": "",
		"config.json": "\n{ \"donate-level\": 1, \"url\": \"stratum+tcp://pool.example.org:3333\" }",
	})
	for _, err := range []error{
		os.Symlink(away, filepath.Join(dir, "to-folder")), os.Symlink(filepath.Join(away, "outside"), filepath.Join(dir, "to-file")),
		os.Symlink("..", filepath.Join(dir, "a", "loop")), os.Link(filepath.Join(dir, "a/miner"), filepath.Join(dir, "z")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := searchTree(t, context.Background(), "", dir)
	if err != nil || len(p.Gaps) > 0 {
		t.Fatal(err, p.Gaps)
	}
	var got []string
	for _, f := range p.File {
		got = append(got, strings.TrimPrefix(string(f.Path), dir)+" "+f.Format+" "+f.Scanned)
	}
	want := []string{"/a/b/late text whole", "/a/miner elf whole", "/config.json json whole"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if is := p.File[2].Indicators; len(is) != 1 || is[0].Kind != "pool" {
		t.Errorf("%+v", is)
	}
	if f := p.File[0]; len(f.Patterns) != 1 || f.Patterns[0].Offset != 3*imageChunk-8 || f.Patterns[0].Strength != "conclusive" {
		t.Errorf("%+v", f)
	}
}

// A file may be named too; what is not there is a gap.
func TestTreeRoots(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, map[string]string{"one": "\x7fELF" + constant(t)})
	p, err := searchTree(t, context.Background(), "", filepath.Join(dir, "one"), filepath.Join(dir, "none"))
	if err != nil {
		t.Fatal(err)
	}
	var scanned, codes []string
	for _, f := range p.File {
		scanned = append(scanned, filepath.Base(string(f.Path))+" "+f.Scanned)
	}
	for _, g := range p.Gaps {
		codes = append(codes, g.Code+" "+filepath.Base(g.What))
	}
	if !slices.Equal(scanned, []string{"one whole"}) || !slices.Equal(codes, []string{"unreadable none"}) {
		t.Error(scanned, codes)
	}
}

// What is too large is searched in part, and said to be.
func TestSearchInPart(t *testing.T) {
	set, err := known()
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int64]bool{maxImage: true, maxImage + 1: false} {
		hits, whole, err := newSearcher(set, nil).file(context.Background(), lastBytes{constant(t), maxImage}, size)
		if err != nil || whole != want || len(hits) != 1 || hits[0].Offset != maxImage-16 {
			t.Errorf("%d bytes: %v %v %v", size, hits, whole, err)
		}
	}
}

// lastBytes is a file of zeros with a text at its end.
type lastBytes struct {
	text string
	size int64
}

func (f lastBytes) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if at := f.size - int64(len(f.text)) - off; at >= 0 && at < int64(len(p)) {
		copy(p[at:], f.text)
	}
	return len(p), nil
}

func (f lastBytes) Close() error { return nil }

func TestTreeYara(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, map[string]string{"a": "here is the marker", "b": "here is none"})
	p, err := searchTree(t, context.Background(), `
		rule weak { strings: $a = "the marker" condition: $a at 8 }
		rule sure { meta: demine_strength = "strong" condition: uint8(0) == 0x68 and filesize == 18 }`, dir)
	if err != nil || len(p.File) != 1 {
		t.Fatal(err, p)
	}
	var got []string
	for _, h := range p.File[0].Patterns {
		got = append(got, h.ID+" "+h.Strength)
	}
	if !slices.Equal(got, []string{"yara:weak weak", "yara:sure strong"}) {
		t.Error(got)
	}
}

// An interrupt ends the walk, and what was found until then is kept.
func TestTreeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	lay(t, dir, map[string]string{"a": constant(t)})
	if _, err := searchTree(t, ctx, "", dir); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What others found out about a file is kept.
func TestTreeKnownFile(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, map[string]string{"miner": "\x7fELF" + constant(t)})
	at := fact.Path(filepath.Join(dir, "miner"))
	i, err := host.Live().Files.Stat(at)
	if err != nil {
		t.Fatal(err)
	}
	in := &fact.Snapshot{File: []fact.File{{Ref: fact.FileRef(at), Path: at, ID: i.ID, Pointed: []string{"process"}, SHA256: "5f", Package: "p"}}}
	p, err := tree.See(context.Background(), newView(host.Live(), tree, in), in, Scope{Deep: &Deep{Roots: []fact.Path{at}}})
	if err != nil || len(p.File) != 1 {
		t.Fatal(err, p)
	}
	if f := p.File[0]; f.SHA256 != "5f" || f.Package != "p" || len(f.Pointed) != 1 || len(f.Patterns) != 1 || f.Scanned != "whole" {
		t.Errorf("%+v", f)
	}
}

func TestTreeNotAsked(t *testing.T) {
	p, err := tree.See(context.Background(), nil, &fact.Snapshot{}, Scope{})
	if err != nil || !p.Absent {
		t.Error(p, err)
	}
}
