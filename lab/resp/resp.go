// Package resp speaks as much of Redis's wire protocol (RESP2, https://redis.io/docs/reference/protocol-spec) as the
// lab's shop and its intruder need.
package resp

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Conn is a connection to Redis. It is not safe for concurrent use.
type Conn struct {
	net.Conn
	r *bufio.Reader
}

// Error is what Redis answered instead of a value; the connection is good for more.
type Error string

func (e Error) Error() string { return "redis: " + string(e) }

// Dial connects to the Redis at addr; from is the local IP address to come from, or empty.
func Dial(from, addr string) (*Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return New(c), nil
}

// New speaks over a connection that is open already.
func New(c net.Conn) *Conn { return &Conn{c, bufio.NewReader(c)} }

// Do sends one command and returns the reply as text, an array's items one a line.
func (c *Conn) Do(args ...string) (string, error) {
	items, err := c.Items(args...)
	return strings.Join(items, "\n"), err
}

// Items sends one command and returns the reply's values, those of arrays in arrays too.
func (c *Conn) Items(args ...string) ([]string, error) {
	return c.Within(10*time.Second, args...)
}

// Within is Items with a time limit of its own.
func (c *Conn) Within(limit time.Duration, args ...string) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c.Conn, b.String()); err != nil {
		return nil, err
	}
	return c.reply()
}

func (c *Conn) reply() ([]string, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, fmt.Errorf("empty reply")
	}
	switch rest := line[1:]; line[0] {
	case '+', ':':
		return []string{rest}, nil
	case '-':
		return nil, Error(rest)
	case '$':
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 {
			return []string{""}, err
		}
		buf := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, buf); err != nil {
			return nil, err
		}
		return []string{string(buf[:n])}, nil
	case '*':
		n, err := strconv.Atoi(rest)
		if err != nil {
			return nil, err
		}
		items := make([]string, 0, max(n, 0))
		for range n {
			item, err := c.reply()
			if err != nil {
				return nil, err
			}
			items = append(items, item...)
		}
		return items, nil
	}
	return nil, fmt.Errorf("unexpected reply %q", line)
}
