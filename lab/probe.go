package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Knock opens a TCP connection to the host from an address outside, such as IntruderV6, and tells what came of it:
// open, refused, timeout or unreachable. A port of Redis is sent PING, and its answer follows, as in "open: PONG".
func (h *Host) Knock(ctx context.Context, from, addr string, port int) (open bool, how string, err error) {
	to := net.JoinHostPort(addr, strconv.Itoa(port))
	argv := []string{"/opt/lab/world", "knock", "-from", from, "-to", to}
	if port == DoorPort || port == replicaPort {
		argv = append(argv, "-ping")
	}
	out, err := h.must(ctx, h.World, "", argv...)
	if err != nil {
		return false, "", fmt.Errorf("knock at %s from %s: %w", to, from, err)
	}
	how = strings.TrimSpace(out)
	return strings.HasPrefix(how, "open"), how, nil
}

// Held is a connection from outside to the host's Redis that stays open.
type Held struct {
	Name string // to find it again with Host.Held
	host *Host
}

// Hold opens a connection to Redis from an address outside and keeps it, whatever becomes of this process.
func (h *Host) Hold(ctx context.Context, from, addr string, port int) (*Held, error) {
	c := h.Held(rand.Text()[:8])
	to := net.JoinHostPort(addr, strconv.Itoa(port))
	script := `setsid /opt/lab/world hold -from "$1" -to "$2" -socket "$3" </dev/null >"$3.log" 2>&1 &`
	if _, err := h.must(ctx, h.World, "", "sh", "-c", script, "sh", from, to, c.socket()); err != nil {
		return nil, err
	}
	err := until(ctx, 5*time.Second, fmt.Sprintf("a connection from %s to %s", from, to), func() error {
		_, err := c.Ping(ctx)
		return err
	})
	if err != nil {
		r, _ := h.Outside(ctx, "cat", c.socket()+".log")
		return nil, fmt.Errorf("%w: %s", err, r.Stdout)
	}
	return c, nil
}

// Held is the connection that Hold has named.
func (h *Host) Held(name string) *Held { return &Held{name, h} }

func (c *Held) socket() string { return "/run/held-" + c.Name }

// Ping sends PING over the connection: PONG, another answer of Redis, or timeout or closed.
func (c *Held) Ping(ctx context.Context) (string, error) {
	out, err := c.host.must(ctx, c.host.World, "", "/opt/lab/world", "held", "-socket", c.socket())
	if err != nil {
		return "", fmt.Errorf("held connection %s: %w", c.Name, err)
	}
	return strings.TrimSpace(out), nil
}

// Close ends the connection.
func (c *Held) Close(ctx context.Context) error {
	_, err := c.host.must(ctx, c.host.World, "", "/opt/lab/world", "held", "-close", "-socket", c.socket())
	if err != nil {
		return fmt.Errorf("held connection %s: %w", c.Name, err)
	}
	return nil
}
