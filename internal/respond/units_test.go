package respond

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"
)

// oneCall is a bus that lets one peer in, speaks of something else, and then
// answers its call. It gives the call.
func oneCall(t *testing.T, l net.Listener, answer dbus.Message) <-chan *dbus.Message {
	out := make(chan *dbus.Message, 1)
	go func() {
		defer close(out)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for line := ""; !strings.HasPrefix(line, "BEGIN"); {
			if line, err = in.ReadString('\n'); err != nil {
				return
			}
		}
		_, _ = conn.Write([]byte("OK 0123456789abcdef0123456789abcdef\r\n"))
		m, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		signal := dbus.Message{Type: dbus.TypeSignal, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldPath: dbus.MakeVariant(dbus.ObjectPath("/x")), dbus.FieldInterface: dbus.MakeVariant("x.y"), dbus.FieldMember: dbus.MakeVariant("Z"),
		}}
		answer.Headers[dbus.FieldReplySerial] = dbus.MakeVariant(uint32(1))
		for _, m := range []dbus.Message{signal, answer} {
			var b bytes.Buffer
			if m.EncodeTo(&b, binary.LittleEndian) != nil {
				return
			}
			binary.LittleEndian.PutUint32(b.Bytes()[8:], 7)
			_, _ = conn.Write(b.Bytes())
		}
		out <- m
	}()
	return out
}

func TestBusCall(t *testing.T) {
	for _, c := range []struct {
		answer    dbus.Message
		want, err string
	}{
		{dbus.Message{Type: dbus.TypeMethodReply, Body: []any{"active"}, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(""))}}, "active", ""},
		{dbus.Message{Type: dbus.TypeError, Body: []any{"Unit not found."}, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldErrorName: dbus.MakeVariant("org.x.NoSuchUnit"), dbus.FieldSignature: dbus.MakeVariant(dbus.SignatureOf(""))}},
			"", "Unit not found. (org.x.NoSuchUnit)"},
	} {
		at := filepath.Join(t.TempDir(), "bus")
		l, err := net.Listen("unix", at)
		must(t, err)
		defer l.Close()
		asked := oneCall(t, l, c.answer)
		b, err := openBus(t.Context(), at)
		must(t, err)
		defer b.Close()
		var got string
		err = b.manager("LoadUnit", []any{"redis.service"}, &got)
		if got != c.want || err == nil && c.err != "" || err != nil && err.Error() != c.err {
			t.Errorf("%q, %v; want %q, %q", got, err, c.want, c.err)
		}
		if m := <-asked; m == nil || m.Body[0] != "redis.service" || m.Headers[dbus.FieldMember].Value() != "LoadUnit" {
			t.Errorf("asked %v", m)
		}
	}
}

func TestShownProperty(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{"active", "active"}, {uint32(45), "45"}, {true, "true"}, {[]string{"/a", "/b"}, "/a\n/b"},
		{[][]any{{"/bin/x", []string{"/bin/x", "a b"}, false}}, `["/bin/x","a b"]`},
	} {
		if got := shownProperty(c.v); got != c.want {
			t.Errorf("%v: %q", c.v, got)
		}
	}
}
