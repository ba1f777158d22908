package rdb

// Entry is one string of a dump, under its key: a string value, an element of a
// list, set or hash, or the packed form of a small one, in which its elements
// stand as they are. Key and Value are the raw bytes. Offset is where the
// value starts in the dump, its length bytes first.
type Entry struct {
	Key, Value string
	Offset     int
}

// maxBytes bounds all keys and values that one call gives.
const maxBytes = 8 << 20

// Strings walks the body of a dump and gives at most max entries, 8 MiB of
// them together, 1 MiB each. It stops at the end of what it can follow: a
// dump that is cut off, a type that it does not know. Without the magic there is
// nothing.
func Strings(b []byte, max int) []Entry {
	m, ok := Header(b)
	if !ok {
		return nil
	}
	w := walker{reader: reader{b: b, i: m.End}, max: max, room: maxBytes}
	for w.i < len(b) && !w.bad && !w.full() && w.one() {
	}
	return w.out
}

type walker struct {
	reader
	out  []Entry
	max  int
	room int
}

func (w *walker) full() bool { return len(w.out) >= w.max || w.room <= 0 }

// one reads an opcode, or a key with its value; false at the end.
func (w *walker) one() bool {
	switch op := w.byte(); op {
	case opEOF:
		return false
	case opAux:
		w.skip(2)
	case opResizeDB:
		w.counts(2)
	case opSelectDB, opIdle:
		w.counts(1)
	case opSlotInfo:
		w.counts(3)
	case opFreq:
		w.take(1)
	case opExpire:
		w.take(4)
	case opExpireMS:
		w.take(8)
	case opFunction2:
		w.emit("")
	case opFunction, opModuleAux:
		return w.extension(op)
	default:
		key := w.str()
		w.value(op, string(key[:min(len(key), maxString)]))
	}
	return true
}

func (w *walker) counts(n int) {
	for range n {
		w.count()
	}
}

func (w *walker) skip(n uint64) {
	for ; n > 0 && !w.bad; n-- {
		w.str()
	}
}

// emit reads a string and keeps it.
func (w *walker) emit(key string) {
	at := w.i
	v := w.str()
	if w.bad || w.full() {
		return
	}
	v = v[:min(len(v), maxString)]
	w.room -= len(v) + len(key)
	w.out = append(w.out, Entry{key, string(v), at})
}

func (w *walker) emits(key string, n uint64) {
	for ; n > 0 && !w.bad && !w.full(); n-- {
		w.emit(key)
	}
}

// value reads a value of a type; the numbers are RDB_TYPE_… of rdb.h.
func (w *walker) value(kind byte, key string) {
	switch kind {
	case 0, 9, 10, 11, 12, 13, 16, 17, 20: // a string, or a small collection packed into one
		w.emit(key)
	case 1, 2, 14: // list, set, quicklist
		w.emits(key, w.count())
	case 4: // hash
		n := w.count()
		w.emits(key, n)
		w.emits(key, n)
	case 3: // sorted set, scores as text
		for n := w.count(); n > 0 && !w.bad && !w.full(); n-- {
			w.emit(key)
			if l := w.byte(); l < 253 { // else not a number, or infinite
				w.take(uint64(l))
			}
		}
	case 5: // sorted set, scores as doubles
		for n := w.count(); n > 0 && !w.bad && !w.full(); n-- {
			w.emit(key)
			w.take(8)
		}
	case 18: // quicklist 2: each node says how it is packed
		for n := w.count(); n > 0 && !w.bad && !w.full(); n-- {
			w.count()
			w.emit(key)
		}
	case 15, 19, 21:
		w.stream(key, kind)
	case 7:
		w.count()
		w.module()
	case 24: // hash whose fields expire
		w.take(8)
		for n := w.count(); n > 0 && !w.bad && !w.full(); n-- {
			w.count()
			w.emits(key, 2)
		}
	case 25:
		w.take(8)
		w.emit(key)
	default:
		w.bad = true
	}
}

// stream: nodes, ids, then consumer groups with what is pending.
func (w *walker) stream(key string, kind byte) {
	for n := w.count(); n > 0 && !w.bad && !w.full(); n-- {
		w.skip(1)
		w.emit(key)
	}
	w.counts(3)
	if kind > 15 {
		w.counts(5)
	}
	for n := w.count(); n > 0 && !w.bad; n-- {
		w.skip(1)
		w.counts(2)
		if kind > 15 {
			w.counts(1)
		}
		for pending := w.count(); pending > 0 && !w.bad; pending-- {
			w.take(16 + 8)
			w.count()
		}
		for consumers := w.count(); consumers > 0 && !w.bad; consumers-- {
			w.skip(1)
			w.take(8)
			if kind > 19 {
				w.take(8)
			}
			if owned := w.count(); owned < 1<<40 {
				w.take(16 * owned)
			} else {
				w.bad = true
			}
		}
	}
}

// module reads the values of a module (RDB_MODULE_OPCODE_…) up to their end.
func (w *walker) module() {
	for !w.bad {
		switch w.count() {
		case 0:
			return
		case 1, 2:
			w.count()
		case 3:
			w.take(4)
		case 4:
			w.take(8)
		case 5:
			w.skip(1)
		default:
			w.bad = true
		}
	}
}

// extension reads a module's own data; functions of release candidates of 7.0
// are not followed.
func (w *walker) extension(op byte) bool {
	if op == opFunction {
		return false
	}
	w.counts(3) // module, opcode of "when", "when"
	w.module()
	return !w.bad
}
