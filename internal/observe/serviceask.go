package observe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"demine/internal/fact"
)

// Bounds of asking: servers in one look, of them at once, addresses of one. How
// long it may take and how much is read is as for Redis.
const (
	maxAsked      = 32
	askedAtOnce   = 4
	maxAskedPorts = 3
)

// askAll asks each server that can be asked. What settings alone told is no gap:
// only a server of which nothing is known for want of an answer is.
func (l *serviceLook) askAll(ctx context.Context, servers []*server, quiet bool) {
	var ask []*server
	for _, s := range servers {
		switch {
		case s.known.Ask == nil || len(s.sockets) == 0:
		case foreign(s.process, l.netns):
			s.gaps = append(s.gaps, "other-namespace")
		case quiet || len(ask) == maxAsked:
			s.gaps = append(s.gaps, "not-asked")
			l.p.Gaps = append(l.p.Gaps, fact.Gap{Code: "not-asked", What: s.what()})
		default:
			ask = append(ask, s)
		}
	}
	own := ownAddresses(l.v)
	var wg sync.WaitGroup
	slots := make(chan struct{}, askedAtOnce)
	failed := make([]error, len(ask))
	for i, s := range ask {
		wg.Add(1)
		go func() {
			defer wg.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			failed[i] = s.ask(ctx, l.v, own)
		}()
	}
	wg.Wait()
	for i, s := range ask {
		if failed[i] == nil {
			continue
		}
		s.gaps = append(s.gaps, "not-asked")
		if auth, _, _ := s.known.Decide(s.settings, s.version, s.blind); auth == "unknown" {
			l.p.Gaps = append(l.p.Gaps, fact.Gap{Code: askedCode(failed[i]), What: s.what(), Detail: clip(failed[i].Error(), 200)})
		}
	}
}

func (s *server) what() string { return fmt.Sprintf("%s (pid %d)", s.known.Name, s.process.PID) }

// askedCode says why there was no answer.
func askedCode(err error) string {
	var slow interface{ Timeout() bool }
	switch code := gapCode(err); {
	case errors.As(err, &slow) && slow.Timeout():
		return "timeout"
	case code == "unreadable":
		return "refused"
	default:
		return code
	}
}

// errOther: what answered is not that service, or speaks TLS of which its settings say nothing.
var errOther = errors.New("the answer is of something else")

// errNowhere: a program may listen on an address that is not this host's
// (IP_FREEBIND, ip(7)). To ask there would be to ask another host.
var errNowhere = errors.New("it listens on no address of this host")

// ownAddresses are those of the host's interfaces.
func ownAddresses(v *View) map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	ips, _ := v.Host().Kernel.Addresses() // without them only loopback is asked
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip); ok {
			out[a.Unmap()] = true
		}
	}
	return out
}

// addressOf is where a socket can be reached from this host, if it can.
func addressOf(x fact.Socket, own map[netip.Addr]bool) (string, bool) {
	addr := x.Local.Unmap().WithZone("")
	switch {
	case addr.IsUnspecified() && addr.Is6() && x.V6Only:
		addr = netip.IPv6Loopback()
	case addr.IsUnspecified():
		addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case !addr.IsLoopback() && !own[addr]:
		return "", false
	}
	return netip.AddrPortFrom(addr, uint16(x.Port)).String(), true
}

// ask goes through the addresses until one answers as the service does. Only
// the ports that the question is meant for are asked, those that it usually has first.
func (s *server) ask(ctx context.Context, v *View, own map[netip.Addr]bool) error {
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	ss := slices.Clone(s.sockets)
	slices.SortStableFunc(ss, func(a, b fact.Socket) int { return s.usual(a.Port) - s.usual(b.Port) })
	meant := s.usualPorts(s.known.At)
	ss = slices.DeleteFunc(ss, func(x fact.Socket) bool { return !slices.Contains(meant, x.Port) })
	var addrs []string
	err := errNowhere
	for _, x := range ss {
		a, ok := addressOf(x, own)
		if !ok || slices.Contains(addrs, a) || len(addrs) == maxAskedPorts {
			continue
		}
		addrs = append(addrs, a)
		if err = s.talk(ctx, v, a); err == nil {
			s.askedAt = x.Port
			return nil
		}
	}
	return err
}

// usual is the place of a port among those that the service usually has.
func (s *server) usual(port int) int {
	if i := slices.Index(s.known.Ports, port); i >= 0 {
		return i
	}
	return len(s.known.Ports)
}

// talk is the whole conversation: one request, its answer.
func (s *server) talk(ctx context.Context, v *View, addr string) error {
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
	if !s.known.OverTLS(s.settings) {
		return s.converse(conn, addr)
	}
	safe, err := secure(ctx, conn)
	if err == nil {
		err = s.converse(safe, addr)
	}
	if err != nil && safe.wants(err) {
		s.auth, s.by, err = "key", "asked", nil
	}
	if err != nil {
		return errors.Join(errOther, err)
	}
	return nil
}

// converse puts the question.
func (s *server) converse(conn net.Conn, addr string) error {
	q := s.known.Ask
	in := &listener{from: conn}
	_, failed := conn.Write(q.Request(addr)) // who hangs up may have said why
	understood := false
	err := in.until(func(said []byte) bool {
		auth, version, ok := q.Understand(said)
		if understood = ok; ok && auth != "" {
			s.auth, s.by = auth, "asked"
		}
		s.version = clip(version, 64)
		return ok
	})
	if understood {
		return nil
	}
	return errors.Join(err, failed)
}

// listener hears one side of a conversation.
type listener struct {
	from interface{ Read([]byte) (int, error) }
	said []byte
}

// until reads up to maxReply bytes, until enough was said.
func (l *listener) until(enough func([]byte) bool) error {
	buf := make([]byte, 4<<10)
	for len(l.said) < maxReply {
		n, err := l.from.Read(buf)
		l.said = append(l.said, buf[:n]...)
		if n > 0 && enough(l.said) {
			return nil
		}
		if err != nil {
			return errors.Join(errOther, err)
		}
	}
	return errOther
}
