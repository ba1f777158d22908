package respond

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/format/resp"
	"demine/internal/host"
	"demine/internal/i18n"
)

// ownRedis is a real redis-server of the test's own.
type ownRedis struct {
	t        *testing.T
	dir      string // its data, by its file
	conf     string
	port     int
	process  *exec.Cmd
	password string
	ended    chan struct{}
}

// startRedis starts a server whose file has these lines too.
func startRedis(t *testing.T, lines ...string) *ownRedis {
	t.Helper()
	home := t.TempDir()
	must(t, os.Chmod(filepath.Dir(home), 0o755)) // another user is to reach it
	r := &ownRedis{t: t, dir: filepath.Join(home, "data"), conf: filepath.Join(home, "redis.conf"), port: freePort(t)}
	must(t, os.Mkdir(r.dir, 0o755))
	conf := fmt.Sprintf("# the shop's\nbind 127.0.0.1\nport %d\ndaemonize no\nenable-protected-configs yes\ndir %s\nsave 3600 1\nlogfile %s\n%s\n",
		r.port, r.dir, filepath.Join(home, "redis.log"), strings.Join(lines, "\n"))
	must(t, os.WriteFile(r.conf, []byte(conf), 0o644))
	r.start(nil)
	t.Cleanup(func() { r.kill() })
	return r
}

// start runs the server, as a user if one is given.
func (r *ownRedis) start(prepare func(*exec.Cmd)) {
	r.t.Helper()
	r.process = exec.Command("redis-server", r.conf)
	r.process.Dir = "/"
	if prepare != nil {
		prepare(r.process)
	}
	must(r.t, r.process.Start())
	r.ended = make(chan struct{})
	go func(p *exec.Cmd, done chan struct{}) {
		_ = p.Wait()
		close(done)
	}(r.process, r.ended)
	r.until("it answers", func() bool {
		v, err := r.try("PING")
		return err == nil && (v.Str == "PONG" || strings.HasPrefix(v.Str, "NOAUTH"))
	})
}

func (r *ownRedis) kill() {
	_ = r.process.Process.Kill()
	<-r.ended
}

// stop ends it as systemd does.
func (r *ownRedis) stop() {
	_ = r.process.Process.Signal(os.Interrupt)
	<-r.ended
}

func (r *ownRedis) until(what string, f func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for !f() {
		select {
		case <-r.ended:
			r.t.Fatalf("%s: it ended", what)
		default:
		}
		if host.Live().Wait(ctx, 10*time.Millisecond) != nil {
			r.t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// try sends commands over a connection of its own and gives the last answer.
func (r *ownRedis) try(args ...string) (resp.Value, error) { return r.each(args) }

func (r *ownRedis) each(commands ...[]string) (v resp.Value, err error) {
	c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port))
	if err != nil {
		return v, err
	}
	defer c.Close()
	in := bufio.NewReader(c)
	if r.password != "" {
		commands = append([][]string{{"AUTH", r.password}}, commands...)
	}
	for _, args := range commands {
		if _, err := c.Write(resp.Command(args...)); err != nil {
			return v, err
		}
		if v, err = resp.Read(in, 64<<20); err != nil {
			return v, err
		}
	}
	return v, nil
}

// say is try for what must succeed; it gives the answer's text.
func (r *ownRedis) say(args ...string) string {
	r.t.Helper()
	v, err := r.try(args...)
	if err != nil || v.Kind == resp.Error {
		r.t.Fatalf("%q: %v %s", args, err, v.Str)
	}
	return v.Str
}

func (r *ownRedis) config(name string) string {
	r.t.Helper()
	v, err := r.try("CONFIG", "GET", name)
	if err != nil || len(v.Array) != 2 {
		r.t.Fatalf("CONFIG GET %s: %v %v", name, err, v)
	}
	return v.Array[1].Str
}

// server is how a plan names it.
func (r *ownRedis) server() redisServer {
	r.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.process.Process.Pid))
	must(r.t, err)
	st, err := proc.Stat(b)
	must(r.t, err)
	return redisServer{PID: st.PID, Start: st.Start, Port: r.port, Config: fact.Path(r.conf)}
}

// image is all that the server holds and is set to.
func (r *ownRedis) image() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	v, err := r.try("CONFIG", "GET", "*")
	must(r.t, err)
	for i := 0; i+1 < len(v.Array); i += 2 {
		out["config "+v.Array[i].Str] = v.Array[i+1].Str
	}
	for db := range 16 {
		keys, err := r.each([]string{"SELECT", strconv.Itoa(db)}, []string{"KEYS", "*"})
		must(r.t, err)
		for _, k := range keys.Array {
			d, err := r.each([]string{"SELECT", strconv.Itoa(db)}, []string{"DUMP", k.Str})
			must(r.t, err)
			ttl, err := r.each([]string{"SELECT", strconv.Itoa(db)}, []string{"PTTL", k.Str})
			must(r.t, err)
			out[fmt.Sprintf("key %d %s", db, k.Str)] = fmt.Sprintf("%q %v", d.Str, ttl.Int > 0)
		}
	}
	return out
}

// redisShelf is a Vault in memory; full is one without room for what is larger.
type redisShelf struct {
	mu   sync.Mutex
	kept [][]byte
	full int
}

func (v *redisShelf) Put(_ context.Context, _ string, r io.Reader) (Blob, error) {
	b, err := io.ReadAll(r)
	if err == nil && v.full > 0 && len(b) > v.full {
		err = fmt.Errorf("no room")
	}
	if err != nil {
		return Blob{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.kept = append(v.kept, b)
	return Blob{ID: strconv.Itoa(len(v.kept) - 1), Size: int64(len(b)), SHA256: sumHex(b)}, nil
}

func (v *redisShelf) Get(b Blob) (io.ReadCloser, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := strconv.Atoi(b.ID)
	if err != nil || n >= len(v.kept) {
		return nil, os.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(v.kept[n])), nil
}

func redisWriter() *Writer {
	return &Writer{Host: host.Live(), Files: LiveFiles(), Vault: &redisShelf{}, Log: slog.New(slog.DiscardHandler)}
}

// stepping does a step as the engine would, and gives its undo.
type stepping struct {
	t      *testing.T
	w      *Writer
	action *Action
	step   *Step
	undo   json.RawMessage
}

func stepOf(t *testing.T, w *Writer, a *Action, with any) *stepping {
	t.Helper()
	raw, err := json.Marshal(with)
	must(t, err)
	return &stepping{t: t, w: w, action: a, step: &Step{Do: a.Name, With: raw}}
}

func (s *stepping) look() error {
	var err error
	s.step.Expect, err = s.action.Look(context.Background(), s.w.Host, s.step)
	return err
}

func (s *stepping) do() (i18n.Message, error) {
	s.t.Helper()
	if err := s.look(); err != nil {
		return i18n.Message{}, err
	}
	var err error
	if s.undo, err = s.action.Prepare(context.Background(), s.w, s.step); err != nil {
		return i18n.Message{}, err
	}
	return s.action.Do(context.Background(), s.w, s.step, s.undo)
}

// done does what must succeed.
func (s *stepping) done() i18n.Message {
	s.t.Helper()
	m, err := s.do()
	if err != nil {
		s.t.Fatalf("%s: %v", s.action.Name, err)
	}
	return m
}

func (s *stepping) back() error {
	return s.action.Undo(context.Background(), s.w, s.step, s.undo)
}

// refused reports whether an error is a refusal of this kind.
func refused(t *testing.T, err error, id string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.ID != id {
		t.Errorf("got %v, want a refusal %s", err, id)
		return
	}
	for _, lang := range []string{i18n.English, i18n.Chinese} {
		if s := i18n.Load(lang).Text(r.Message); strings.Contains(s, "{") || strings.Contains(s, id) {
			t.Errorf("%s: %s", lang, s)
		}
	}
}

func sortedKeys(m map[string]string, prefix string) []string {
	var out []string
	for k := range m {
		if strings.HasPrefix(k, prefix) {
			out = append(out, strings.TrimPrefix(k, prefix))
		}
	}
	slices.Sort(out)
	return out
}
