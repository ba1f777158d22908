package stratum

import "bytes"

// farBack is further than a segment is sent again: the same ports were used for
// another connection.
const farBack = 1 << 20

// way cuts one direction into JSON objects. A line ends everything: the
// protocol is one object a line, and so are the bodies of requests to a node.
type way struct {
	begun           bool
	next            uint32 // sequence number that follows
	object          []byte // not whole yet; empty: none has begun
	depth           int
	quoted, escaped bool
}

func (w *way) feed(seq uint32, data []byte, tell func([]byte)) {
	if w.begun {
		switch old := int32(w.next - seq); {
		case old < 0 || old > farBack: // something is missing: the object in hand will never be whole
			w.reset()
		case int(old) >= len(data): // heard before: the loopback shows everything twice
			return
		default:
			data, seq = data[old:], w.next
		}
	}
	w.begun, w.next = true, seq+uint32(len(data))
	for len(data) > 0 {
		if len(w.object) == 0 {
			i := bytes.IndexByte(data, '{')
			if i < 0 {
				return
			}
			w.object = append(w.object, '{')
			w.depth = 1
			data = data[i+1:]
			continue
		}
		if !w.take(data[0]) {
			w.reset()
			if data[0] == '{' { // the one that came before was none
				continue
			}
		} else if w.depth == 0 {
			tell(w.object)
			w.reset()
		}
		data = data[1:]
	}
}

func (w *way) reset() {
	w.object, w.depth, w.quoted, w.escaped = w.object[:0], 0, false, false
}

// take adds a byte to the object; false when it cannot be one.
func (w *way) take(c byte) bool {
	if len(w.object) >= maxObject || c < ' ' && c != '\t' && c != '\r' {
		return false
	}
	if len(w.object) == 1 && c != '"' && c != ' ' && c != '\t' && c != '}' {
		return false
	}
	w.object = append(w.object, c)
	switch {
	case w.escaped:
		w.escaped = false
	case w.quoted:
		w.escaped, w.quoted = c == '\\', c != '"'
	case c == '"':
		w.quoted = true
	case c == '{':
		w.depth++
	case c == '}':
		w.depth--
	case c >= 0x7f:
		return false
	}
	return true
}
