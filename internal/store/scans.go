package store

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/explain"
	"demine/internal/respond"
)

// Scans and plans are kept compressed and sealed: the commands and addresses
// in them are what scanners look for.
const (
	scansDir  = "scans"
	plansDir  = "plans"
	maxScans  = 20
	maxPlans  = 50
	maxStored = 256 << 20 // of one, unpacked
)

// ErrNone: there is nothing of that kind or name.
var ErrNone = errors.New("nothing stored")

var safeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$`)

// SaveScan keeps a Scan; of more than twenty the oldest go.
func (s *Store) SaveScan(sc *explain.Scan) error {
	name := sc.Taken.UTC().Format("20060102T150405.000000000Z") + "-" + sc.ID
	return s.save(scansDir, name, maxScans, sc)
}

// LastScan gives the newest Scan that can be read, with its snapshot, or
// ErrNone.
func (s *Store) LastScan() (*explain.Scan, error) {
	type kept struct {
		at   *folder
		name string
	}
	var all []kept
	for _, at := range s.places() {
		names, _ := list(at, scansDir)
		for _, n := range names {
			all = append(all, kept{at, n})
		}
	}
	slices.SortStableFunc(all, func(a, b kept) int { return strings.Compare(b.name, a.name) })
	err := ErrNone
	for _, k := range all {
		sc := &explain.Scan{}
		if e := load(k.at, scansDir, k.name, sc); e == nil {
			return sc, nil
		} else if err == ErrNone {
			err = e
		}
	}
	return nil, fmt.Errorf("last scan: %w", err)
}

// SavePlan keeps a plan until it is applied; of more than fifty the oldest go.
func (s *Store) SavePlan(p respond.Plan) error { return s.save(plansDir, p.ID, maxPlans, p) }

// LoadPlan gives a kept plan, or ErrNone.
func (s *Store) LoadPlan(id string) (respond.Plan, error) {
	var p respond.Plan
	if !safeName.MatchString(id) {
		return p, fmt.Errorf("plan %q: %w", id, ErrNone)
	}
	for _, at := range s.places() {
		err := load(at, plansDir, id, &p)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		return p, err
	}
	return p, fmt.Errorf("plan %s: %w", id, ErrNone)
}

func (s *Store) save(dir, name string, most int, v any) error {
	if !safeName.MatchString(name) {
		return fmt.Errorf("save %s: bad name %q", dir, name)
	}
	b, err := pack(v)
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return s.saveBytes(dir, name, most, b)
}

func (s *Store) saveBytes(dir, name string, most int, b []byte) error {
	err := saveAt(s.home, dir, name, most, b)
	if err != nil && s.home != s.mem && s.mem != nil && givesWay(err) {
		s.giveWay(err)
		err = saveAt(s.mem, dir, name, most, b)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", name, err)
	}
	return nil
}

func saveAt(at *folder, dir, name string, most int, b []byte) error {
	if err := at.room(int64(len(b))); err != nil {
		return err
	}
	d, err := at.sub(dir, true)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.replace(name, b); err != nil {
		return err
	}
	return d.prune(most, name)
}

// prune leaves the newest files, by the time of writing.
func (f *folder) prune(most int, keep string) error {
	names, err := f.names()
	if err != nil || len(names) <= most {
		return err
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(f.written(a), f.written(b)) })
	for _, n := range names[:len(names)-most] {
		if n != keep {
			err = errors.Join(err, f.remove(n))
		}
	}
	return err
}

func list(at *folder, dir string) ([]string, error) {
	d, err := at.sub(dir, false)
	if err != nil {
		return nil, err
	}
	defer d.close()
	names, err := d.names()
	return slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, ".new") }), err
}

func pack(v any) ([]byte, error) {
	var b bytes.Buffer
	w, err := seal(&b)
	if err != nil {
		return nil, err
	}
	z := gzip.NewWriter(w)
	err = errors.Join(json.NewEncoder(z).Encode(v), z.Close())
	return b.Bytes(), err
}

func load(at *folder, dir, name string, v any) error {
	return read(at, dir, name, func(r io.Reader) error {
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(io.LimitReader(z, maxStored+1))
		if err == nil && len(b) > maxStored {
			err = errors.New("too large")
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(b, v)
	})
}

// read gives f what is in a sealed file; an error of its is ErrCorrupt.
func read(at *folder, dir, name string, f func(io.Reader) error) error {
	d, err := at.sub(dir, false)
	if err != nil {
		return err
	}
	defer d.close()
	file, err := d.open(name, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := readSealed(file, f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// readSealed tells what is damaged from what could not be read this time: the
// latter says nothing about the file.
func readSealed(r io.Reader, f func(io.Reader) error) error {
	opened, err := unseal(r)
	if err != nil {
		return err
	}
	err = f(opened)
	var reading *fs.PathError
	if err == nil || errors.As(err, &reading) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
