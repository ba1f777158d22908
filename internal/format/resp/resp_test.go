package resp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommand(t *testing.T) {
	if got, want := string(Command("CONFIG", "GET", "")), "*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$0\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

var replies = []struct {
	in   string
	want Value
	err  string
}{
	{"+PONG\r\n", Value{Kind: '+', Str: "PONG"}, ""},
	{"-NOAUTH Authentication required.\r\n", Value{Kind: '-', Str: "NOAUTH Authentication required."}, ""},
	{"-DENIED Redis is running in protected mode\r\n", Value{Kind: '-', Str: "DENIED Redis is running in protected mode"}, ""},
	{":-12\r\n", Value{Kind: ':', Int: -12}, ""},
	{"$3\r\na\r\n\r\n", Value{Kind: '$', Str: "a\r\n"}, ""},
	{"$0\r\n\r\n", Value{Kind: '$'}, ""},
	{"$-1\r\n", Value{Kind: '$', Null: true}, ""},
	{"*-1\r\n", Value{Kind: '*', Null: true}, ""},
	{"*0\r\n", Value{Kind: '*'}, ""},
	{"*2\r\n$3\r\ndir\r\n*1\r\n:7\r\n", Value{Kind: '*', Array: []Value{
		{Kind: '$', Str: "dir"}, {Kind: '*', Array: []Value{{Kind: ':', Int: 7}}},
	}}, ""},
	{"", Value{}, io.EOF.Error()},
	{"+PONG", Value{}, io.ErrUnexpectedEOF.Error()},
	{"*1\r\n", Value{}, io.ErrUnexpectedEOF.Error()},
	{"$5\r\nabc", Value{}, io.ErrUnexpectedEOF.Error()},
	{"%1\r\n+a\r\n+b\r\n", Value{}, "not a reply"},
	{"HTTP/1.1 400 Bad Request\r\n", Value{}, "not a reply"},
	{"SSH-2.0-OpenSSH_9.2\r\n", Value{}, "not a reply"},
	{"+a\nb\r\n", Value{}, "CR LF"},
	{"+a\rb\r\n", Value{}, "CR LF"},
	{"$1\r\nabc\r\n", Value{}, "CR LF"},
	{":+1\r\n", Value{}, "bad number"},
	{":\r\n", Value{}, "bad number"},
	{"$-2\r\n", Value{}, "bad length"},
	{"$999999999999\r\n", Value{}, ErrTooBig.Error()},
	{"$1000000\r\n", Value{}, ErrTooBig.Error()},
	{"*1000000\r\n", Value{}, ErrTooBig.Error()},
	{"+" + strings.Repeat("x", 1<<17), Value{}, ErrTooBig.Error()},
	{strings.Repeat("*1\r\n", 1000), Value{}, ErrTooBig.Error()},
}

func TestRead(t *testing.T) {
	for _, c := range replies {
		got, err := Read(bufio.NewReader(strings.NewReader(c.in)), 1<<16)
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%.60q: error %v, want %q", c.in, err, c.err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%.60q (-want +got):\n%s", c.in, d)
		}
	}
}

// encode is Read's inverse.
func encode(v Value) string {
	switch {
	case v.Null:
		return string(v.Kind) + "-1\r\n"
	case v.Kind == Integer:
		return strings.Replace(string(Command()), "*0", ":"+number10(v.Int), 1)
	case v.Kind == Bulk:
		return strings.TrimPrefix(string(Command(v.Str)), "*1\r\n")
	case v.Kind == Array:
		var b strings.Builder
		b.WriteString("*" + number10(int64(len(v.Array))) + "\r\n")
		for _, x := range v.Array {
			b.WriteString(encode(x))
		}
		return b.String()
	}
	return string(v.Kind) + v.Str + "\r\n"
}

func FuzzRead(f *testing.F) {
	for _, c := range replies {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		v, err := Read(r, 1<<16)
		if err != nil {
			if !errors.Is(err, io.EOF) && len(b) == 0 {
				t.Fatal(err)
			}
			return
		}
		again, err := Read(bufio.NewReader(strings.NewReader(encode(v))), 1<<17)
		if err != nil {
			t.Fatalf("%+v: %v", v, err)
		}
		if d := cmp.Diff(v, again); d != "" {
			t.Fatal(d)
		}
	})
}

func number10(n int64) string { return strconv.FormatInt(n, 10) }
