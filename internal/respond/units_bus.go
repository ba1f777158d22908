package respond

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// Where systemd is asked: its own socket, which needs no bus to run, then the
// system bus.
const (
	systemdPrivate = "/run/systemd/private"
	systemBus      = "/run/dbus/system_bus_socket"
)

// busConn is a connection to systemd on which one call follows the other.
//
// It is not a dbus.Conn: that sends BEGIN and its first call one right after
// the other, and where systemd reads both at once from its own socket it does
// not look at the call until something else arrives, so that the call hangs
// (seen with systemd 252). Here BEGIN goes with AUTH, as sd-bus sends it.
type busConn struct {
	conn   net.Conn
	in     *bufio.Reader
	serial uint32
	end    time.Time
}

// openSystemd connects to the service manager. ErrUnavailable: systemd is not
// pid 1 here, or does not answer.
func openSystemd(ctx context.Context) (*busConn, error) {
	if _, err := os.Lstat("/run/systemd/system"); err != nil { // sd_booted(3)
		return nil, fmt.Errorf("systemd: %w", ErrUnavailable)
	}
	var why []error
	for _, at := range []string{systemdPrivate, systemBus} {
		c, err := openBus(ctx, at)
		if err == nil {
			return c, nil
		}
		why = append(why, err)
	}
	return nil, fmt.Errorf("systemd: %w: %w", ErrUnavailable, errors.Join(why...))
}

func openBus(ctx context.Context, at string) (*busConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", at)
	if err != nil {
		return nil, err
	}
	c := &busConn{conn: conn, in: bufio.NewReader(conn), end: time.Now().Add(systemdPatience)}
	if t, ok := ctx.Deadline(); ok && t.Before(c.end) {
		c.end = t
	}
	if err := c.begin(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	if at == systemBus {
		var name string
		if err := c.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.Hello", nil, &name); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%s: %w", at, err)
		}
	}
	return c, nil
}

func (c *busConn) Close() { c.conn.Close() }

// begin says who we are, which the other side checks by the socket.
func (c *busConn) begin() error {
	if err := c.conn.SetDeadline(c.end); err != nil {
		return err
	}
	uid := hex.EncodeToString([]byte(strconv.Itoa(os.Geteuid())))
	if _, err := c.conn.Write([]byte("\x00AUTH EXTERNAL " + uid + "\r\nBEGIN\r\n")); err != nil {
		return err
	}
	line, err := c.in.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "OK ") {
		return fmt.Errorf("not let in: %.80q", line)
	}
	return nil
}

// call calls interface.Method of an object and stores what it answers.
func (c *busConn) call(name string, at dbus.ObjectPath, method string, args []any, out ...any) error {
	dot := strings.LastIndexByte(method, '.')
	m := dbus.Message{Type: dbus.TypeMethodCall, Body: args, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldDestination: dbus.MakeVariant(name), dbus.FieldPath: dbus.MakeVariant(at),
		dbus.FieldInterface: dbus.MakeVariant(method[:dot]), dbus.FieldMember: dbus.MakeVariant(method[dot+1:]),
	}}
	if len(args) > 0 {
		m.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(args...))
	}
	var b bytes.Buffer
	if err := m.EncodeTo(&b, binary.LittleEndian); err != nil {
		return err
	}
	c.serial++
	binary.LittleEndian.PutUint32(b.Bytes()[8:], c.serial) // the message has no way to be given one
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		return err
	}
	return c.answer(out)
}

// answer passes over signals until the reply to the last call comes.
func (c *busConn) answer(out []any) error {
	for {
		m, err := dbus.DecodeMessage(c.in)
		if err != nil {
			return err
		}
		to, ok := m.Headers[dbus.FieldReplySerial]
		if !ok || to.Value() != c.serial {
			continue
		}
		switch {
		case m.Type == dbus.TypeError:
			return busError(m)
		case len(out) == 0:
			return nil
		}
		return dbus.Store(m.Body, out...)
	}
}

func busError(m *dbus.Message) error {
	name, _ := m.Headers[dbus.FieldErrorName].Value().(string)
	if len(m.Body) > 0 {
		if text, ok := m.Body[0].(string); ok {
			return fmt.Errorf("%s (%s)", text, name)
		}
	}
	return errors.New(name)
}
