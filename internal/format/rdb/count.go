package rdb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"math"
	"math/bits"
	"strconv"
	"time"
)

// Counts are what a whole dump holds, over all its databases. Lasting are the
// keys that do not expire, or not before the given moment: Redis drops the
// others when it reads the dump.
type Counts struct {
	Keys, Lasting int64
	Summed        bool // it has a checksum, and that is right
}

// Errors of Count.
var (
	ErrNoDump  = errors.New("rdb: not a dump")
	ErrDamaged = errors.New("rdb: damaged or cut off")
)

// Count reads a dump to its end, of any size in little memory, and counts its
// keys. What follows the dump (an append-only file goes on with commands) is
// not read. A dump that is cut off, whose checksum is wrong or that has a type
// not known here is an error.
func Count(r io.Reader, now time.Time) (Counts, error) {
	s := &skimmer{r: bufio.NewReaderSize(r, 64<<10), sum: ^uint64(0)}
	version, err := strconv.Atoi(string(s.magic()))
	if err != nil || version == 0 {
		return Counts{}, ErrNoDump
	}
	var c Counts
	expires := int64(math.MaxInt64)
	for s.err == nil {
		switch op := s.byte(); op {
		case opEOF:
			c.Summed = version >= 5 && s.checksum()
			return c, s.err
		case opExpire:
			expires = int64(int32(binary.LittleEndian.Uint32(s.take(4)))) * 1000
		case opExpireMS:
			expires = int64(binary.LittleEndian.Uint64(s.take(8)))
		default:
			if s.isOpcode(op) {
				continue
			}
			s.str()
			s.value(op)
			c.Keys++
			if expires > now.UnixMilli() {
				c.Lasting++
			}
			expires = math.MaxInt64
		}
	}
	return Counts{}, s.err
}

// jones is the table of crc64.c of Redis: the polynomial of CRC-64/Jones,
// reflected.
var jones = crc64.MakeTable(bits.Reverse64(0xad93d23594c935a9))

// skimmer walks a dump as a stream. After err everything it reads is zero.
type skimmer struct {
	r   *bufio.Reader
	sum uint64 // inverted: Redis starts from 0 and does not invert at the end
	buf [16]byte
	err error
}

func (s *skimmer) magic() []byte {
	b := s.take(5)
	if string(b) != "REDIS" {
		return nil
	}
	return s.take(4)
}

// take reads at most 16 bytes, good until the next take.
func (s *skimmer) take(n int) []byte {
	b := s.buf[:n]
	if s.err != nil {
		clear(b)
		return b
	}
	if _, err := io.ReadFull(s.r, b); err != nil {
		s.fail(err)
		clear(b)
		return b
	}
	s.sum = crc64.Update(s.sum, jones, b)
	return b
}

func (s *skimmer) fail(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = ErrDamaged
	}
	s.err = err
}

func (s *skimmer) byte() byte { return s.take(1)[0] }

func (s *skimmer) skip(n uint64) {
	for n > 0 && s.err == nil {
		b, err := s.r.Peek(int(min(n, 32<<10)))
		if err != nil {
			s.fail(err)
			return
		}
		s.sum = crc64.Update(s.sum, jones, b)
		_, _ = s.r.Discard(len(b)) // it has just been peeked at
		n -= uint64(len(b))
	}
}

// length is rdbLoadLenByRef: special is true for an encoding of a string.
func (s *skimmer) length() (n uint64, special bool) {
	c := s.byte()
	switch c >> 6 {
	case 0:
		return uint64(c & 0x3f), false
	case 1:
		return uint64(c&0x3f)<<8 | uint64(s.byte()), false
	case 3:
		return uint64(c & 0x3f), true
	}
	switch c {
	case 0x80:
		return uint64(binary.BigEndian.Uint32(s.take(4))), false
	case 0x81:
		return binary.BigEndian.Uint64(s.take(8)), false
	}
	s.damaged()
	return 0, false
}

func (s *skimmer) damaged() {
	if s.err == nil {
		s.err = ErrDamaged
	}
}

func (s *skimmer) count() uint64 {
	n, special := s.length()
	if special {
		s.damaged()
	}
	if s.err != nil {
		return 0
	}
	return n
}

func (s *skimmer) counts(n int) {
	for range n {
		s.count()
	}
}

func (s *skimmer) str() {
	n, special := s.length()
	switch {
	case s.err != nil:
	case !special:
		s.skip(n)
	case n < 3:
		s.skip(1 << n)
	case n == 3:
		packed := s.count()
		s.count()
		s.skip(packed)
	default:
		s.damaged()
	}
}

func (s *skimmer) strs(n uint64) {
	for ; n > 0 && s.err == nil; n-- {
		s.str()
	}
}

// isOpcode reads what is not a key.
func (s *skimmer) isOpcode(op byte) bool {
	switch op {
	case opAux:
		s.strs(2)
	case opResizeDB:
		s.counts(2)
	case opSelectDB, opIdle:
		s.counts(1)
	case opSlotInfo:
		s.counts(3)
	case opFreq:
		s.skip(1)
	case opFunction2:
		s.str()
	case opModuleAux:
		s.counts(3)
		s.module()
	default:
		return false
	}
	return true
}

// value skips a value of a type; see walker.value.
func (s *skimmer) value(kind byte) {
	switch kind {
	case 0, 9, 10, 11, 12, 13, 16, 17, 20:
		s.str()
	case 1, 2, 14:
		s.strs(s.count())
	case 4:
		n := s.count()
		s.strs(n)
		s.strs(n)
	case 7:
		s.count()
		s.module()
	case 25:
		s.skip(8)
		s.str()
	case 3, 5, 18, 24:
		s.pairs(kind)
	case 15, 19, 21:
		s.stream(kind)
	default:
		if s.err == nil {
			s.err = fmt.Errorf("rdb: type %d is not known", kind)
		}
	}
}

// pairs are the collections whose elements have something beside them.
func (s *skimmer) pairs(kind byte) {
	if kind == 24 {
		s.skip(8)
	}
	for n := s.count(); n > 0 && s.err == nil; n-- {
		if kind == 18 || kind == 24 {
			s.count()
		}
		s.str()
		switch kind {
		case 3:
			if l := s.byte(); l < 253 {
				s.skip(uint64(l))
			}
		case 5:
			s.skip(8)
		case 24:
			s.str()
		}
	}
}

func (s *skimmer) stream(kind byte) {
	s.strs(2 * min(s.count(), math.MaxInt64/2))
	s.counts(3)
	if kind > 15 {
		s.counts(5)
	}
	for n := s.count(); n > 0 && s.err == nil; n-- {
		s.str()
		s.counts(2)
		if kind > 15 {
			s.count()
		}
		for pending := s.count(); pending > 0 && s.err == nil; pending-- {
			s.skip(16 + 8)
			s.count()
		}
		for consumers := s.count(); consumers > 0 && s.err == nil; consumers-- {
			s.str()
			s.skip(8)
			if kind > 19 {
				s.skip(8)
			}
			s.skip(16 * min(s.count(), math.MaxInt64/16))
		}
	}
}

func (s *skimmer) module() {
	for s.err == nil {
		switch s.count() {
		case 0:
			return
		case 1, 2:
			s.count()
		case 3:
			s.skip(4)
		case 4:
			s.skip(8)
		case 5:
			s.str()
		default:
			s.damaged()
		}
	}
}

// checksum reads the eight bytes at the end; zero is a dump without one
// (rdbchecksum no).
func (s *skimmer) checksum() bool {
	want := ^s.sum
	got := binary.LittleEndian.Uint64(s.take(8))
	if s.err == nil && got != 0 && got != want {
		s.err = ErrDamaged
	}
	return s.err == nil && got != 0
}
