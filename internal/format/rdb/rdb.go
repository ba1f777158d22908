// Package rdb reads Redis dumps, or what is left of them: the header, and the
// strings in the body. Intruders let Redis save its data set over a crontab or
// an authorized_keys file, so such files are dumps with a line of text in the
// middle, sometimes LZF-compressed.
//
// The format is that of rdb.h and rdb.c of Redis 7 (RDB version 10), with the
// later types up to version 12; older dumps differ only in types they lack.
package rdb

import (
	"bytes"
	"strconv"
	"time"

	"demine/internal/fact"
)

// Opcodes of rdb.h that stand where a value's type may.
const (
	opSlotInfo  = 244
	opFunction2 = 245
	opFunction  = 246
	opModuleAux = 247
	opIdle      = 248
	opFreq      = 249
	opAux       = 250
	opResizeDB  = 251
	opExpireMS  = 252
	opExpire    = 253
	opSelectDB  = 254
	opEOF       = 255
)

const magicLen = len("REDIS0010")

// Mark is the header of a dump. Its Key is never set: that is for whoever found
// the text in one of Strings. End is the offset behind the aux fields.
type Mark struct {
	fact.RDBMark
	End int
}

// Header reads the magic ("REDIS" and four digits at the very start) and the
// aux fields that follow it; ok is false without the magic. A header that is
// cut off gives what there is.
func Header(b []byte) (m Mark, ok bool) {
	if len(b) < magicLen || !bytes.HasPrefix(b, []byte("REDIS")) {
		return Mark{}, false
	}
	for _, c := range b[5:magicLen] {
		if c < '0' || c > '9' {
			return Mark{}, false
		}
		m.Version = m.Version*10 + int(c-'0')
	}
	m.End = magicLen
	for r := (reader{b: b, i: magicLen}); r.i < len(b) && b[r.i] == opAux; m.End = r.i {
		r.i++
		name, value := r.str(), r.str()
		if r.bad {
			break
		}
		m.aux(string(name), string(value))
	}
	return m, true
}

func (m *Mark) aux(name, value string) {
	switch name {
	case "redis-ver":
		m.Redis = fact.Text([]byte(value[:min(len(value), 64)]))
	case "ctime":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n > 0 && n < 1<<40 {
			m.Saved = time.Unix(n, 0).UTC()
		}
	}
}

// reader takes a dump apart. After bad everything it reads is empty.
type reader struct {
	b   []byte
	i   int
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)-r.i) {
		r.bad = true
		return nil
	}
	s := r.b[r.i : r.i+int(n)]
	r.i += int(n)
	return s
}

func (r *reader) byte() byte {
	if s := r.take(1); len(s) == 1 {
		return s[0]
	}
	return 0
}

func (r *reader) big(n uint64) (v uint64) {
	for _, c := range r.take(n) {
		v = v<<8 | uint64(c)
	}
	return v
}

func (r *reader) little(n uint64) (v uint32) {
	for i, c := range r.take(n) {
		v |= uint32(c) << (8 * i)
	}
	return v
}

// length is rdbLoadLenByRef: special is true for an encoding of a string.
func (r *reader) length() (n uint64, special bool) {
	c := r.byte()
	switch c >> 6 {
	case 0:
		return uint64(c & 0x3f), false
	case 1:
		return uint64(c&0x3f)<<8 | uint64(r.byte()), false
	case 3:
		return uint64(c & 0x3f), true
	}
	switch c {
	case 0x80:
		return r.big(4), false
	case 0x81:
		return r.big(8), false
	}
	r.bad = true
	return 0, false
}

// count is a length that is no string's.
func (r *reader) count() uint64 {
	n, special := r.length()
	r.bad = r.bad || special
	return n
}

// maxString is where a decompressed string is cut.
const maxString = 1 << 20

// str is rdbGenericLoadStringObject: bytes, an integer as its digits, or LZF.
func (r *reader) str() []byte {
	n, special := r.length()
	if !special {
		return r.take(n)
	}
	switch n {
	case 0:
		return strconv.AppendInt(nil, int64(int8(r.byte())), 10)
	case 1:
		return strconv.AppendInt(nil, int64(int16(r.little(2))), 10)
	case 2:
		return strconv.AppendInt(nil, int64(int32(r.little(4))), 10)
	case 3:
		packed, size := r.count(), r.count()
		in := r.take(packed)
		if r.bad {
			return nil
		}
		return unlzf(in, int(min(size, maxString)))
	}
	r.bad = true
	return nil
}

// unlzf is lzf_decompress of lzf_d.c up to size bytes; what is damaged ends
// with the damage.
func unlzf(in []byte, size int) []byte {
	var out []byte
	for i := 0; i < len(in) && len(out) < size; {
		ctrl := int(in[i])
		i++
		if ctrl < 32 { // a run of ctrl+1 bytes as they are
			end := min(i+ctrl+1, len(in))
			out = append(out, in[i:end]...)
			i = end
			continue
		}
		n := ctrl >> 5
		if n == 7 {
			if i >= len(in) {
				break
			}
			n += int(in[i])
			i++
		}
		if i >= len(in) {
			break
		}
		from := len(out) - (ctrl&0x1f)<<8 - int(in[i]) - 1
		i++
		if from < 0 {
			break
		}
		for range n + 2 { // may overlap what it writes
			out = append(out, out[from])
			from++
		}
	}
	return out[:min(len(out), size)]
}
