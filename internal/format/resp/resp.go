// Package resp reads and writes RESP2, the protocol of Redis: commands as
// arrays of bulk strings, replies as simple strings, errors, integers, bulk
// strings and arrays (redis.io, "Redis serialization protocol specification";
// networking.c and hiredis' read.c). The other side is not trusted: it may be
// anything that listens.
package resp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The kinds of a Value.
const (
	Simple  byte = '+'
	Error   byte = '-'
	Integer byte = ':'
	Bulk    byte = '$'
	Array   byte = '*'
)

// Value is one reply. Str holds simple strings, errors and bulk strings, raw
// bytes all; Null is a bulk string or an array that is not there.
type Value struct {
	Kind  byte
	Str   string
	Int   int64
	Array []Value
	Null  bool
}

// ErrTooBig is a reply beyond the caps of Read.
var ErrTooBig = errors.New("resp: reply too big")

// maxDepth bounds arrays in arrays; a value costs at least minCost bytes of the
// budget of Read, so that many empty ones are not free.
const (
	maxDepth = 8
	maxLine  = 64 << 10
	minCost  = 64
)

// Command writes a command for a server.
func Command(args ...string) []byte {
	b := strconv.AppendInt([]byte{'*'}, int64(len(args)), 10)
	b = append(b, "\r\n"...)
	for _, a := range args {
		b = append(b, '$')
		b = strconv.AppendInt(b, int64(len(a)), 10)
		b = append(b, "\r\n"...)
		b = append(b, a...)
		b = append(b, "\r\n"...)
	}
	return b
}

// Read reads one reply whose values take up at most max bytes in memory (about:
// 64 for each, and its string). What is no RESP2 is an error, so are the types of
// RESP3 and a reply that ends early (io.ErrUnexpectedEOF); nothing at all is
// io.EOF. After an error the stream is of no more use.
func Read(r *bufio.Reader, max int) (Value, error) {
	d := decoder{r: r, left: max}
	return d.value(0)
}

type decoder struct {
	r    *bufio.Reader
	left int
}

func (d *decoder) spend(n int) error {
	if n > d.left {
		return ErrTooBig
	}
	d.left -= n
	return nil
}

func (d *decoder) value(depth int) (Value, error) {
	if err := d.spend(minCost); err != nil {
		return Value{}, err
	}
	kind, err := d.r.ReadByte()
	if err != nil {
		if depth > 0 {
			err = early(err)
		}
		return Value{}, err
	}
	v := Value{Kind: kind}
	switch kind {
	case Simple, Error, Integer, Bulk, Array:
	default:
		return Value{}, fmt.Errorf("resp: not a reply of RESP2: %q", kind)
	}
	line, err := d.line()
	if err != nil {
		return Value{}, err
	}
	switch kind {
	case Simple, Error:
		v.Str = line
	case Integer:
		v.Int, err = number(line)
	case Bulk:
		err = d.bulk(&v, line)
	case Array:
		err = d.array(&v, line, depth)
	}
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

func early(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// number: what strconv takes and RESP does not ("+1", "1_0") is refused.
func number(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || s[0] == '+' {
		return 0, fmt.Errorf("resp: bad number %.40q", s)
	}
	return n, nil
}

// line reads up to CR LF; a lone CR or LF in it is an error.
func (d *decoder) line() (string, error) {
	var b []byte
	for {
		c, err := d.r.ReadByte()
		if err != nil {
			return "", early(err)
		}
		switch {
		case c == '\n' && len(b) > 0 && b[len(b)-1] == '\r':
			return string(b[:len(b)-1]), nil
		case c == '\n' || len(b) > 0 && b[len(b)-1] == '\r':
			return "", errors.New("resp: line does not end with CR LF")
		case len(b) >= maxLine:
			return "", ErrTooBig
		}
		if err := d.spend(1); err != nil {
			return "", err
		}
		b = append(b, c)
	}
}

// size reads the length of a bulk string or an array; -1 is null.
func size(line string) (n int, null bool, err error) {
	v, err := number(line)
	switch {
	case err != nil:
		return 0, false, err
	case v == -1:
		return 0, true, nil
	case v < 0:
		return 0, false, fmt.Errorf("resp: bad length %d", v)
	case v > 1<<30:
		return 0, false, ErrTooBig
	}
	return int(v), false, nil
}

func (d *decoder) bulk(v *Value, line string) (err error) {
	var n int
	if n, v.Null, err = size(line); err != nil || v.Null {
		return err
	}
	if err := d.spend(n); err != nil {
		return err
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(d.r, b); err != nil {
		return early(err)
	}
	if b[n] != '\r' || b[n+1] != '\n' {
		return errors.New("resp: bulk string does not end with CR LF")
	}
	v.Str = string(b[:n])
	return nil
}

func (d *decoder) array(v *Value, line string, depth int) (err error) {
	var n int
	if n, v.Null, err = size(line); err != nil || v.Null {
		return err
	}
	if depth >= maxDepth || n > d.left/minCost {
		return ErrTooBig
	}
	for range n {
		x, err := d.value(depth + 1)
		if err != nil {
			return err
		}
		v.Array = append(v.Array, x)
	}
	return nil
}
