package observe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/resp"
)

// redisPatience is for a whole conversation: a server that is busy saving or
// stuck in a script answers nobody.
const redisPatience = 500 * time.Millisecond

const maxReply = 64 << 10

// ask talks to the server at the first address that answers. Only commands
// that read are sent, and never a password.
func (r *redisLook) ask(ctx context.Context, s *redisServer, addrs []string, overTLS bool) error {
	last := errors.New("no address is known")
	for _, a := range addrs {
		if last = s.talk(ctx, r.v, a, overTLS); last == nil {
			return nil
		}
	}
	return last
}

// unasked says that it did not answer.
func (r *redisLook) unasked(s *redisServer, addrs []string, last error) {
	s.gaps = append(s.gaps, "not-asked")
	code := gapCode(last)
	var slow interface{ Timeout() bool }
	switch {
	case errors.As(last, &slow) && slow.Timeout():
		code = "timeout"
	case code == "unreadable":
		code = "refused"
	}
	r.p.Gaps = append(r.p.Gaps, fact.Gap{
		Code: code, What: fmt.Sprintf("redis %s (pid %d)", strings.Join(addrs, " "), s.process.PID), Detail: clip(last.Error(), 200),
	})
}

var errNotRedis = errors.New("the answer is not of Redis")

func (s *redisServer) talk(ctx context.Context, v *View, addr string, overTLS bool) error {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	conn, err := v.Host().Kernel.Dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	if !overTLS {
		return s.converse(conn)
	}
	safe, err := secure(ctx, conn)
	if err == nil {
		err = s.converse(safe)
	}
	if err != nil && safe.wants(err) {
		s.wants, err = true, nil
	}
	return err
}

// converse asks whether it answers, and of an open one some settings.
func (s *redisServer) converse(conn net.Conn) error {
	in := bufio.NewReader(conn)
	send := func(args ...string) (resp.Value, error) {
		_, failed := conn.Write(resp.Command(args...)) // who hangs up may have said why
		v, err := resp.Read(in, maxReply)
		if err != nil {
			err = errors.Join(err, failed)
		}
		return v, err
	}
	hello, err := send("PING")
	if err != nil {
		return err
	}
	switch {
	case hello.Str == "PONG":
		s.reply = "PONG"
	case strings.HasPrefix(hello.Str, "NOAUTH"), strings.HasPrefix(hello.Str, "DENIED"):
		s.reply = hello.Str[:6] // both have six letters
		return nil
	case strings.HasPrefix(hello.Str, "LOADING"), strings.HasPrefix(hello.Str, "BUSY"), strings.HasPrefix(hello.Str, "MASTERDOWN"):
		s.reply = "PONG" // a command was looked at: it asks for no password
	case strings.HasPrefix(hello.Str, "NOPERM"):
		s.reply, s.denied = "PONG", true
	default:
		return errNotRedis
	}
	s.questions(send)
	return nil
}

// questions are what an open server is asked. What it does not tell is left to
// the command line and the file.
func (s *redisServer) questions(send func(...string) (resp.Value, error)) {
	s.info, s.running = map[string]string{}, map[string]string{}
	if x, err := send("INFO", "server"); err == nil {
		for line := range strings.Lines(x.Str) {
			if k, val, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				s.info[k] = fact.Text([]byte(val))
			}
		}
	}
	for _, name := range append(asked, "enable-protected-configs") {
		x, err := send("CONFIG", "GET", name)
		switch {
		case err != nil:
			s.gaps = append(s.gaps, "settings")
			return
		case x.Kind == resp.Error:
			s.denied = s.denied || strings.HasPrefix(x.Str, "NOPERM")
			s.gaps = append(s.gaps, "settings")
			return // renamed or not allowed: the others would be, too
		case len(x.Array) >= 2:
			s.running[name] = fact.Text([]byte(x.Array[1].Str))
		}
	}
}
