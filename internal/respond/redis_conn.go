package respond

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/resp"
	"demine/internal/host"
)

// redisPatience is for one command: a server that is busy in a script answers
// nobody. redisReply bounds one answer: a value of a key can be half a
// gigabyte, a planted line is short.
const (
	redisPatience = 10 * time.Second
	redisReply    = 16 << 20
)

// redisError is what Redis answered instead of a value; the connection is good
// for more.
type redisError string

func (e redisError) Error() string { return "redis: " + fact.Text([]byte(e)) }

// code is the first word: NOAUTH, ERR, BUSYKEY.
func (e redisError) code() string {
	word, _, _ := strings.Cut(string(e), " ")
	return word
}

// redisConn is a connection to a server of this host.
type redisConn struct {
	conn net.Conn
	in   *bufio.Reader
	ctx  context.Context
}

func (c *redisConn) Close() { _ = c.conn.Close() }

// do sends one command. An answer that is an error is a redisError.
func (c *redisConn) do(args ...string) (resp.Value, error) {
	if err := c.ctx.Err(); err != nil {
		return resp.Value{}, err
	}
	if err := c.conn.SetDeadline(time.Now().Add(redisPatience)); err != nil {
		return resp.Value{}, err
	}
	if _, err := c.conn.Write(resp.Command(args...)); err != nil {
		return resp.Value{}, fmt.Errorf("redis: %s: %w", args[0], err)
	}
	v, err := resp.Read(c.in, redisReply)
	switch {
	case err != nil:
		return v, fmt.Errorf("redis: %s: %w", args[0], err)
	case v.Kind == resp.Error:
		return v, redisError(v.Str)
	}
	return v, nil
}

// ok sends a command of whose answer only an error matters.
func (c *redisConn) ok(args ...string) error {
	_, err := c.do(args...)
	return err
}

// config gives one setting as the server has it, raw. Not there: "", false.
func (c *redisConn) config(name string) (string, bool, error) {
	v, err := c.do("CONFIG", "GET", name)
	if err != nil || len(v.Array) < 2 {
		return "", false, err
	}
	return v.Array[1].Str, true, nil
}

// info gives the lines of a section.
func (c *redisConn) info(section string) (map[string]string, error) {
	v, err := c.do("INFO", section)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(v.Str) {
		if k, val, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[k] = val
		}
	}
	return out, nil
}

// redisKeyspace is one database in use.
type redisKeyspace struct {
	DB            int
	Keys, Expires int64
}

func (c *redisConn) keyspace() ([]redisKeyspace, error) {
	info, err := c.info("keyspace")
	if err != nil {
		return nil, err
	}
	var out []redisKeyspace
	for name, val := range info {
		db, err := strconv.Atoi(strings.TrimPrefix(name, "db"))
		if err != nil || !strings.HasPrefix(name, "db") {
			continue
		}
		k := redisKeyspace{DB: db}
		for pair := range strings.SplitSeq(val, ",") {
			word, n, _ := strings.Cut(pair, "=")
			v, _ := strconv.ParseInt(n, 10, 64)
			switch word {
			case "keys":
				k.Keys = v
			case "expires":
				k.Expires = v
			}
		}
		out = append(out, k)
	}
	return out, nil
}

// size is how many keys there are in all databases, and how many of them may
// expire.
func (c *redisConn) size() (keys, expires int64, err error) {
	all, err := c.keyspace()
	for _, k := range all {
		keys += k.Keys
		expires += k.Expires
	}
	return keys, expires, err
}

var errRedisPeer = errors.New("the connection does not end at that process")

// dialRedis connects to a listener of a process of this host and makes sure
// that the other end of the connection is in that process' hands, before
// anything is said.
func dialRedis(ctx context.Context, h *host.Host, pid int, at netip.AddrPort) (*redisConn, error) {
	ctx2, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := h.Kernel.Dial(ctx2, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	c := &redisConn{conn: conn, in: bufio.NewReader(conn), ctx: ctx}
	if err := c.heldBy(ctx2, h, pid); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// heldBy waits until the server has taken the connection: one that waits to be
// accepted is in nobody's hands yet.
func (c *redisConn) heldBy(ctx context.Context, h *host.Host, pid int) error {
	mine, err := netip.ParseAddrPort(c.conn.LocalAddr().String())
	if err != nil {
		return err
	}
	their, err := netip.ParseAddrPort(c.conn.RemoteAddr().String())
	if err != nil {
		return err
	}
	for {
		socks, err := h.Kernel.Sockets(ctx, 0)
		if err != nil {
			return fmt.Errorf("sockets: %w", err)
		}
		inode := acceptedInode(socks, their, mine)
		if inode != 0 && openSockets(h, pid)[inode] {
			return nil
		}
		if h.Wait(ctx, 5*time.Millisecond) != nil {
			return errRedisPeer
		}
	}
}

// acceptedInode finds the server's end of a connection.
func acceptedInode(socks []fact.Socket, local, peer netip.AddrPort) uint64 {
	for _, s := range socks {
		if s.Port == int(local.Port()) && s.PeerPort == int(peer.Port()) && s.Local.Unmap() == local.Addr().Unmap() && s.Peer.Unmap() == peer.Addr().Unmap() {
			return s.Inode
		}
	}
	return 0
}
