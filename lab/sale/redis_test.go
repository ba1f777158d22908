package main

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"demine/lab/resp"
)

// fake is a Redis that says OK to everything and remembers what it was sent.
type fake struct {
	net.Listener
	mu    sync.Mutex
	said  []string
	conns []net.Conn
}

func listen(t *testing.T, addr string) *fake {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{Listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
	t.Cleanup(f.stop)
	return f
}

func (f *fake) serve(c net.Conn) {
	f.mu.Lock()
	f.conns = append(f.conns, c)
	f.mu.Unlock()
	for r := bufio.NewReader(c); ; {
		var n, size int
		if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
			return
		}
		var words []string
		for range n {
			var word string
			if _, err := fmt.Fscanf(r, "$%d\r\n%s\r\n", &size, &word); err != nil {
				return
			}
			words = append(words, word)
		}
		f.mu.Lock()
		f.said = append(f.said, strings.Join(words, " "))
		f.mu.Unlock()
		fmt.Fprint(c, "+OK\r\n")
	}
}

func (f *fake) stop() {
	f.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}

// TestPool: a Redis that went and came again is not noticed, and a password is said on each new connection.
func TestPool(t *testing.T) {
	first := listen(t, "127.0.0.1:0")
	target, err := resp.Parse("redis://:geheim@" + first.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	p := &pool{target, make(chan *resp.Conn, 2)}
	for range 2 {
		if _, err := p.do("DECR", "stock"); err != nil {
			t.Fatal(err)
		}
	}
	first.stop()
	second := listen(t, target.Addr)
	if _, err := p.do("DECR", "stock"); err != nil {
		t.Fatal(err)
	}
	for f, want := range map[*fake][]string{first: {"AUTH geheim", "DECR stock", "DECR stock"}, second: {"AUTH geheim", "PING", "DECR stock"}} {
		f.mu.Lock()
		if !slices.Equal(f.said, want) {
			t.Errorf("sent %q, want %q", f.said, want)
		}
		f.mu.Unlock()
	}
}

// TestParse: what is not a redis:// URL is refused without repeating it.
func TestParse(t *testing.T) {
	for raw, want := range map[string]resp.Target{
		"redis://127.0.0.1:6380":      {Addr: "127.0.0.1:6380"},
		"redis://:a%40b@host:1/":      {Addr: "host:1", Password: "a@b"},
		"redis://shop:x@[fd00::1]":    {Addr: "[fd00::1]:6379", User: "shop", Password: "x"},
		"http://:geheim@127.0.0.1":    {},
		"redis://:geheim@host:1/3":    {},
		"redis://:geheim%@host:1":     {},
		"127.0.0.1:6380":              {},
		"":                            {},
		"redis://:geheim@:6380":       {},
		"redis://:geheim@host:1/?x=1": {Addr: "host:1", Password: "geheim"},
	} {
		got, err := resp.Parse(raw)
		if got != want || (err == nil) != (want != resp.Target{}) {
			t.Errorf("%q: %+v, %v", raw, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: the error has the password: %v", raw, err)
		}
	}
}
