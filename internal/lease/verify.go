package lease

import (
	"bufio"
	"bytes"
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
	Memory bool      `json:"in_memory,omitempty"`  // where it was kept while the disk took nothing: gone after the next boot
	Lines  int       `json:"lines"`                // that hold, from the first one on
	Head   string    `json:"head"`                 // sum of the last of them
	Broken int       `json:"broken,omitempty"`     // number of the first line that does not fit; 0: all do
	Unread int       `json:"unreadable,omitempty"` // lines that are no event
	Torn   int       `json:"torn,omitempty"`       // bytes of a last line that was cut off (power cut, full disk)
	Last   string    `json:"-"`                    // sum of the last line, whether it holds or not
}

// Verify reads a trail, gives all of its events to tell, and says how far the
// chain holds. Events of lines that do not hold are Unproved: of two that do not
// fit either may be the forged one, and nothing behind them proves anything.
func Verify(r io.Reader, tell func(Event)) (Trail, error) {
	in, v := bufio.NewReaderSize(r, MaxEvent), verification{tell: tell}
	for {
		line, err := nextLine(in)
		if err == nil {
			v.next(line)
			continue
		}
		v.told(true)
		if errors.Is(err, io.EOF) {
			v.Torn = len(line)
			return v.Trail, nil
		}
		return v.Trail, fmt.Errorf("read the trail: %w", err)
	}
}

// nextLine reads a line without its end; of one that no event is as long as,
// nothing. With io.EOF it gives what was cut off.
func nextLine(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return bytes.TrimSuffix(line, []byte{'\n'}), err
	}
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
