package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/respond"
)

// The journal of a run is runs/R7/journal.jsonl: a line a record. A line
// without an end was cut off by a crash and is no record.
const (
	runsDir     = "runs"
	journalFile = "journal.jsonl"
	maxLine     = 16 << 20
	maxJournal  = 256 << 20
	ahead       = 128 << 10 // kept free for the lines to come, so that a disk that fills up does not stop a run
)

// ErrCorrupt: what was stored is not what is there.
var ErrCorrupt = errors.New("stored data is damaged")

// ErrNoRun: there is no run of that name.
var ErrNoRun = errors.New("no such run")

// Begin implements respond.Journal.
func (s *Store) Begin(p respond.Plan, by respond.Operator) (string, error) {
	run, err := s.begin(s.home, p, by)
	if err != nil && s.home != s.mem && s.mem != nil && givesWay(err) {
		s.giveWay(err)
		run, err = s.begin(s.mem, p, by)
	}
	if err != nil {
		return "", fmt.Errorf("begin a run: %w", err)
	}
	return run, nil
}

func (s *Store) begin(at *folder, p respond.Plan, by respond.Operator) (string, error) {
	runs, err := at.sub(runsDir, true)
	if err != nil {
		return "", err
	}
	defer runs.close()
	run, err := s.name(at, runs)
	if err != nil {
		return "", err
	}
	if err := appendLine(runs, run, respond.Record{Kind: respond.RecBegin, At: s.now(), Plan: &p, By: &by}); err != nil {
		return "", errors.Join(err, dropRun(runs, run))
	}
	return run, nil
}

// giveWay goes on in memory after the disk refused.
func (s *Store) giveWay(err error) { s.home, s.why = s.mem, because(s.disk.path, err) }

// name takes a name that no run has, in neither place: the folder of that name
// is made in memory and at home, and whoever makes it first has it.
func (s *Store) name(at, runs *folder) (string, error) {
	for n := s.last() + 1; ; n++ {
		run := "R" + strconv.Itoa(n)
		release, err := s.reserve(at, run)
		if errors.Is(err, unix.EEXIST) {
			continue
		}
		if err != nil {
			return "", err
		}
		err = runs.mkdir(run)
		release()
		if err == nil && s.taken(at, run) { // asked now: before, it could have been taken and released since
			err = cmp.Or(runs.rmdir(run), error(unix.EEXIST))
		}
		if !errors.Is(err, unix.EEXIST) {
			return run, err
		}
	}
}

// reserve holds a name in the other place while it is taken at home, if that
// place can be written.
func (s *Store) reserve(at *folder, run string) (release func(), err error) {
	none := func() {}
	if s.mem == nil || at == s.mem {
		return none, nil
	}
	runs, err := s.mem.sub(runsDir, true)
	if err != nil {
		return none, nil
	}
	if err := runs.mkdir(run); err != nil {
		runs.close()
		if errors.Is(err, unix.EEXIST) {
			return none, err
		}
		return none, nil
	}
	return func() { _ = runs.rmdir(run); runs.close() }, nil
}

// taken: the place that is not home has a run of that name.
func (s *Store) taken(at *folder, run string) bool {
	if s.disk == nil || at == s.disk {
		return false
	}
	runs, err := s.disk.sub(runsDir, false)
	if err != nil {
		return false
	}
	defer runs.close()
	return runs.has(run)
}

func (s *Store) last() int {
	last := 0
	for _, at := range s.places() {
		for _, run := range runNames(at) {
			last = max(last, number(run))
		}
	}
	return last
}

func runNames(at *folder) []string {
	runs, err := at.sub(runsDir, false)
	if err != nil {
		return nil
	}
	defer runs.close()
	names, _ := runs.names()
	return slices.DeleteFunc(names, func(n string) bool { return number(n) == 0 })
}

// number is that of a run's name; 0: it is none.
func number(run string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(run, "R"))
	if err != nil || n <= 0 || run != "R"+strconv.Itoa(n) {
		return 0
	}
	return n
}

// Runs implements respond.Journal.
func (s *Store) Runs() ([]string, error) {
	var out []string
	for _, at := range s.places() {
		for _, run := range runNames(at) {
			if s.recorded(at, run) && !slices.Contains(out, run) {
				out = append(out, run)
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int { return number(a) - number(b) })
	return out, nil
}

func (s *Store) recorded(at *folder, run string) bool {
	f, err := openJournal(at, run)
	if err != nil {
		return false
	}
	defer f.Close()
	i, err := f.Stat()
	return err == nil && i.Size() > 0
}

func openJournal(at *folder, run string) (*os.File, error) {
	if number(run) == 0 {
		return nil, fmt.Errorf("%q: %w", run, ErrNoRun)
	}
	runs, err := at.sub(runsDir, false)
	if err != nil {
		return nil, err
	}
	defer runs.close()
	d, err := runs.sub(run, false)
	if err != nil {
		return nil, err
	}
	defer d.close()
	return d.open(journalFile, unix.O_RDONLY)
}

// Append implements respond.Journal. A run whose disk has filled up goes on in
// memory.
func (s *Store) Append(run string, r respond.Record) error {
	if s.home == nil {
		return ErrReader
	}
	at, err := s.of(run)
	if err != nil {
		return err
	}
	err = s.appendAt(at, run, r)
	if err != nil && at != s.mem && s.mem != nil && givesWay(err) {
		s.giveWay(err)
		err = s.appendAt(s.mem, run, r)
	}
	return err
}

func (s *Store) appendAt(at *folder, run string, r respond.Record) error {
	runs, err := at.sub(runsDir, true)
	if err != nil {
		return err
	}
	defer runs.close()
	return appendLine(runs, run, r)
}

// of is the place where a run is written: in memory once it has gone on there.
func (s *Store) of(run string) (*folder, error) {
	for _, at := range []*folder{s.mem, s.disk} {
		if at != nil && s.recorded(at, run) {
			return at, nil
		}
	}
	return nil, fmt.Errorf("run %s: %w", run, ErrNoRun)
}

// appendLine makes a record durable. What a crash or a full disk left of a
// line is cut off first.
func appendLine(runs *folder, run string, r respond.Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("run %s: %w", run, err)
	}
	if len(b) > maxLine {
		return fmt.Errorf("run %s: record of %d bytes is too large", run, len(b))
	}
	d, err := runs.sub(run, true)
	if err != nil {
		return err
	}
	defer d.close()
	fresh := !d.has(journalFile)
	f, err := d.open(journalFile, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return err
	}
	end, err := wholeLines(f)
	if err == nil {
		err = put(f, end, append(b, '\n'))
	}
	if err == nil && r.Kind == respond.RecEnd {
		err = f.Truncate(end + int64(len(b)) + 1) // gives back what was kept free
	}
	err = errors.Join(err, f.Close())
	if err == nil && fresh {
		err = errors.Join(d.sync(), runs.sync())
	}
	return err
}

func put(f *os.File, at int64, b []byte) error {
	// Blocks for the lines to come; where the file system has none to give the
	// write itself tells.
	_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, at, int64(len(b))+ahead)
	_, err := f.WriteAt(b, at)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Truncate(at))
	}
	return nil
}

// wholeLines cuts off a line without an end and gives the size then.
func wholeLines(f *os.File) (int64, error) {
	i, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := i.Size()
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		if k := bytes.LastIndexByte(buf[:n], '\n'); k >= 0 {
			whole := end - n + int64(k) + 1
			if whole == size {
				return size, nil
			}
			return whole, f.Truncate(whole)
		}
		end -= n
	}
	return 0, f.Truncate(0)
}

// Records implements respond.Journal. With ErrCorrupt the records before the
// damage are valid.
func (s *Store) Records(run string) ([]respond.Record, error) {
	var out []respond.Record
	found := false
	for _, at := range s.places() {
		f, err := openJournal(at, run)
		if errors.Is(err, ErrNoRun) {
			return nil, err
		}
		if err != nil {
			continue
		}
		found = true
		rs, err := readRecords(f)
		f.Close()
		out = append(out, rs...)
		if err != nil {
			return out, fmt.Errorf("run %s: %w", run, err)
		}
	}
	if !found {
		return nil, fmt.Errorf("run %s: %w", run, ErrNoRun)
	}
	return out, nil
}

func readRecords(f *os.File) ([]respond.Record, error) {
	b, err := io.ReadAll(io.LimitReader(f, maxJournal+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxJournal {
		return nil, fmt.Errorf("%w: journal is larger than %d bytes", ErrCorrupt, maxJournal)
	}
	var out []respond.Record
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			return out, nil
		}
		var r respond.Record
		if err := json.Unmarshal(line, &r); err != nil {
			return out, fmt.Errorf("%w: journal line %d: %w", ErrCorrupt, n, err)
		}
		out = append(out, r)
		b = rest
	}
}

// dropRun takes a run away that could not be begun.
func dropRun(runs *folder, run string) error {
	d, err := runs.sub(run, false)
	if err != nil {
		return nil
	}
	defer d.close()
	return errors.Join(d.remove(journalFile), runs.rmdir(run))
}
