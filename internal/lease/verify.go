package lease

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"demine/internal/fact"
)

// Trail is what a verification found. A line holds if the next one has its sum,
// and the last one of a whole trail as well: its sum is in the system log.
type Trail struct {
	Path   fact.Path `json:"path"`
	Memory bool      `json:"in_memory,omitempty"`   // where it was kept while the disk took nothing: gone after the next boot
	Lines  int       `json:"lines"`                 // that hold, from the first one on
	Head   string    `json:"head"`                  // sum of the last of them
	Broken int       `json:"broken,omitempty"`      // number of the first line that does not fit; 0: all do
	Unread int       `json:"unreadable,omitempty"`  // lines that are no event
	Torn   int       `json:"torn,omitempty"`        // bytes of a last line that was cut off (power cut, full disk)
	Rest   bool      `json:"rest_unread,omitempty"` // more stands behind the break than is read
	Last   string    `json:"-"`                     // sum of the last line, whether it holds or not
}

// Verify reads a trail, gives all of its events to tell, and says how far the
// chain holds. Events of lines that do not hold are Unproved: of two that do not
// fit either may be the forged one, and nothing behind them proves anything.
func Verify(r io.Reader, tell func(Event)) (Trail, error) {
	src := &source{Reader: r, left: -1}
	in, v := bufio.NewReaderSize(src, MaxEvent), verification{tell: tell}
	for {
		line, err := src.line(in)
		if err == nil {
			if v.next(line); v.Broken > 0 {
				src.bound()
			}
			continue
		}
		v.told(true)
		if !errors.Is(err, io.EOF) {
			return v.Trail, fmt.Errorf("read the trail: %w", err)
		}
		if v.Rest = src.more; !v.Rest {
			v.Torn = len(line)
		}
		return v.Trail, nil
	}
}

// behindBreak is how much is read behind a break, in bytes: who broke the trail
// may have made what follows as long as a file can be, and all who want to change
// leases wait meanwhile.
const behindBreak = 16 << 20

// source is the file of a trail, of which no more than left is read once that is
// not negative.
type source struct {
	io.Reader
	left int
	more bool // there was
}

func (s *source) bound() {
	if s.left < 0 {
		s.left = behindBreak
	}
}

func (s *source) Read(p []byte) (int, error) {
	switch {
	case s.left < 0:
		return s.Reader.Read(p)
	case s.left == 0:
		n, err := s.Reader.Read(p[:1])
		s.more = s.more || n > 0
		return 0, cmp.Or(err, io.EOF)
	}
	n, err := s.Reader.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// line reads one without its end; of one that no event is as long as, which is a
// break, nothing. With io.EOF it gives what was cut off.
func (s *source) line(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return bytes.TrimSuffix(line, []byte{'\n'}), err
	}
	s.bound()
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = in.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) { // the next read meets it again
		err = nil
	}
	return nil, err
}

// verification is a trail while it is read. An event waits until the next line
// says whether it holds.
type verification struct {
	Trail
	read    int // lines
	waiting *Event
	tell    func(Event)
}

func (v *verification) next(line []byte) {
	e, readable := eventOf(line)
	fits := readable && e.Prev == v.Last
	v.told(fits)
	v.read++
	if v.Broken == 0 && (!fits || e.N != v.read) {
		v.Broken = v.read
	}
	v.Last = Sum(line)
	if e.Sum = v.Last; readable {
		v.waiting = &e
	} else {
		v.Unread++
	}
}

// told tells the event that waits, if there is one.
func (v *verification) told(holds bool) {
	e := v.waiting
	if v.waiting = nil; e == nil {
		return
	}
	if e.Unproved = !holds || v.Broken > 0; !e.Unproved {
		v.Lines, v.Head = v.read, v.Last
	}
	v.tell(*e)
}

func eventOf(line []byte) (e Event, ok bool) {
	err := json.Unmarshal(line, &e)
	return e, err == nil && e.N > 0
}
