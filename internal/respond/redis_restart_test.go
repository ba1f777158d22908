package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// ownUnits is a service manager for one real server: it starts it as the
// drop-in says.
type ownUnits struct {
	Units
	r        *ownRedis
	dropIn   string
	argv     []string
	loaded   string // the drop-in as it was last read
	restarts int
	pending  []string
	required string
	broken   bool // the server does not come up
}

const ownUnit = "redis-test.service"

func (u *ownUnits) Show(_ context.Context, unit, name string) (string, error) {
	if unit != ownUnit {
		return "", fmt.Errorf("unit %s", unit)
	}
	switch name {
	case "MainPID":
		select {
		case <-u.r.ended:
			return "0", nil
		default:
			return strconv.Itoa(u.r.process.Process.Pid), nil
		}
	case "ActiveState":
		select {
		case <-u.r.ended:
			return "failed", nil
		default:
			return "active", nil
		}
	case "ExecStart":
		b, err := json.Marshal(u.argv)
		return string(b), err
	case "TimeoutStopUSec":
		return "90000000", nil
	case "NeedDaemonReload":
		return strconv.FormatBool(u.loaded != u.now()), nil
	case "RequiredBy":
		return u.required, nil
	}
	return "", nil
}

func (u *ownUnits) now() string {
	b, _ := os.ReadFile(u.dropIn)
	return string(b)
}

func (u *ownUnits) Pending(context.Context) ([]string, error) {
	if u.loaded != u.now() {
		return append([]string{ownUnit}, u.pending...), nil
	}
	return u.pending, nil
}

func (u *ownUnits) DaemonReload(context.Context) error {
	u.loaded = u.now()
	return nil
}

func (u *ownUnits) Restart(ctx context.Context, unit string) error {
	return errors.Join(u.Stop(ctx, unit), u.Start(ctx, unit))
}

func (u *ownUnits) Stop(context.Context, string) error {
	_ = u.r.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-u.r.ended:
		return nil
	case <-time.After(20 * time.Second): // systemd would kill it now
		u.r.t.Error("it does not end on SIGTERM")
		u.r.kill()
		return nil
	}
}

func (u *ownUnits) Start(context.Context, string) error {
	u.restarts++
	if u.broken && u.restarts == 1 {
		return errors.New("job failed")
	}
	cmd := exec.Command(u.argv[0], u.argv[1:]...)
	cmd.Dir = "/"
	if strings.Contains(u.loaded, "User=redis") {
		h := redisWriter().Host
		who, ok := userNamed(h, "redis")
		if !ok {
			return errors.New("no user redis")
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(who.UID), Gid: uint32(who.GID)}}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	u.r.process, u.r.ended = cmd, make(chan struct{})
	go func(done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(u.r.ended)
	return nil
}

// hardening is a server that runs as root and lets its clients change where it
// saves, with the group of steps that changes both.
type hardening struct {
	r     *ownRedis
	w     *Writer
	units *ownUnits
	steps []*stepping
}

func harden(t *testing.T, lines ...string) *hardening {
	t.Helper()
	r := startRedis(t, lines...)
	r.say("SET", "stock:1001", "10000000")
	r.say("SET", "session", "x", "EX", "9000")
	_, err := r.each([]string{"SELECT", "3"}, []string{"RPUSH", "queue", "a", "b"})
	must(t, err)
	exe, err := exec.LookPath("redis-server")
	must(t, err)
	s := r.server()
	s.Unit, s.Launch = ownUnit, []string{exe, r.conf}
	u := &ownUnits{r: r, dropIn: filepath.Join(filepath.Dir(r.conf), "unit.d", "50-demine.conf"), argv: s.Launch}
	r.stop() // systemd starts it by its path
	must(t, u.Start(t.Context(), ownUnit))
	u.restarts = 0
	r.until("it answers", func() bool { v, err := r.try("PING"); return err == nil && v.Str == "PONG" })
	at := r.server()
	s.PID, s.Start = at.PID, at.Start
	w := redisWriter()
	w.Units = u
	who, ok := userNamed(w.Host, "redis")
	if !ok {
		t.Fatal("no user redis: the package makes it")
	}
	return &hardening{r, w, u, []*stepping{
		stepOf(t, w, redisSave, redisSaveWith{s, "redis"}),
		stepOf(t, w, redisProtectConfigs, redisLine{s, fact.Path(r.conf), "enable-protected-configs", "no"}),
		stepOf(t, w, redisUser, redisUserWith{s, "redis", fact.Path(u.dropIn)}),
		stepOf(t, w, redisRestart, redisRestartWith{Server: s, Port: s.Port, UID: who.UID, GID: who.GID}),
	}}
}

// apply does the steps as the engine does: if one fails, it and those before it
// are undone.
func (h *hardening) apply() error {
	for i, s := range h.steps {
		if _, err := s.do(); err != nil {
			if s.undo == nil {
				i--
			}
			for ; i >= 0; i-- {
				err = errors.Join(err, h.steps[i].back())
			}
			return err
		}
	}
	return nil
}

func (h *hardening) undo() error {
	var err error
	for i := len(h.steps) - 1; i >= 0; i-- {
		err = errors.Join(err, h.steps[i].back())
	}
	return err
}

var rewritten = regexp.MustCompile(`appendonly\.aof\.[0-9]+\.`)

// tree is every file of the server with owner, mode and, but for what it
// writes itself, content.
func (h *hardening) tree() map[string]string {
	out := map[string]string{}
	err := filepath.Walk(filepath.Dir(h.r.conf), func(p string, i os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		st := i.Sys().(*syscall.Stat_t)
		p = rewritten.ReplaceAllString(p, "appendonly.aof.N.") // its number grows
		out[p] = fmt.Sprintf("%o %d:%d", st.Mode, st.Uid, st.Gid)
		if strings.HasSuffix(p, ".conf") {
			b, _ := os.ReadFile(p)
			out[p] += " " + string(b)
		}
		return nil
	})
	must(h.r.t, err)
	return out
}

func (h *hardening) uid() int {
	h.r.t.Helper()
	uid, err := uidOf(h.w.Host, h.r.process.Process.Pid)
	must(h.r.t, err)
	return uid
}

// The server runs as a user of its own with all its keys, and cannot be
// pointed elsewhere; undo is the identity.
func TestRedisHarden(t *testing.T) {
	for n, lines := range [][]string{nil, {"appendonly yes"}, {"requirepass sesame-open-77"}, {"pidfile /run/redis-test-no.pid"}} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			var pass string
			if len(lines) > 0 && strings.HasPrefix(lines[0], "requirepass") {
				pass = strings.Fields(lines[0])[1]
				lines = nil
			}
			h := harden(t, lines...)
			if pass != "" {
				must(t, os.WriteFile(h.r.conf, []byte(read(t, h.r.conf)+"requirepass "+pass+"\n"), 0o600))
				h.r.say("CONFIG", "SET", "requirepass", pass)
				h.r.password = pass
			}
			testHarden(t, h)
		})
	}
}

func testHarden(t *testing.T, h *hardening) {
	h.r.say("SAVE")
	before, files := h.r.image(), h.tree()
	must(t, h.apply())
	if h.uid() == 0 || h.units.restarts != 1 {
		t.Errorf("runs as %d after %d restarts", h.uid(), h.units.restarts)
	}
	if v, err := h.r.try("CONFIG", "SET", "dir", "/tmp"); err != nil || !strings.Contains(v.Str, "protected") {
		t.Errorf("CONFIG SET dir: %q %v", v.Str, err)
	}
	const changed = "config enable-protected-configs"
	if d := cmp.Diff(minus(before, changed), minus(h.r.image(), changed)); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
	h.r.say("SET", "later", "x")
	h.r.say("SAVE")
	if err := h.steps[2].look(); !errors.Is(err, ErrGone) {
		t.Errorf("the process of the plan is %v", err)
	}
	must(t, h.undo())
	if h.uid() != 0 || h.units.restarts != 2 {
		t.Errorf("undone: runs as %d after %d restarts", h.uid(), h.units.restarts)
	}
	after := h.r.image()
	if after["key 0 later"] == "" {
		t.Error("what was written since is lost")
	}
	if d := cmp.Diff(before, minus(after, "key 0 later")); d != "" {
		t.Errorf("undo is not the identity (-before +after):\n%s", d)
	}
	if d := cmp.Diff(files, h.tree()); d != "" {
		t.Errorf("files (-before +after):\n%s", d)
	}
}

// All of it at once: own user, password, another port, one restart.
func TestRedisHardenAll(t *testing.T) {
	h := harden(t)
	h.r.say("SAVE")
	r, env := h.r, filepath.Join(filepath.Dir(h.r.conf), "shop.env")
	old := r.port
	must(t, os.WriteFile(env, []byte("URL=redis://127.0.0.1:"+strconv.Itoa(old)+"\n"), 0o640))
	before, files, text := r.image(), h.tree(), read(t, env)
	last, err := decode[redisRestartWith](h.steps[3].step.With)
	must(t, err)
	last.Port = freePort(t)
	clients := []fact.Path{fact.Path(env)}
	h.steps = append(h.steps[:3],
		stepOf(t, h.w, redisRequirepass, redisPasswordWith{last.Server, fact.Path(r.conf), clients, last.UID, last.GID}),
		stepOf(t, h.w, redisPort, redisPortWith{last.Server, fact.Path(r.conf), last.Port, clients}),
		stepOf(t, h.w, redisBind, redisLine{last.Server, fact.Path(r.conf), "bind", "127.0.0.1 -::1"}),
		stepOf(t, h.w, redisRestart, last))
	if err := h.apply(); err != nil {
		t.Fatalf("%v\n%s", err, read(t, filepath.Join(filepath.Dir(r.conf), "redis.log")))
	}
	_, rest, _ := strings.Cut(read(t, env), "redis://:")
	r.password, rest, _ = strings.Cut(rest, "@")
	if rest != "127.0.0.1:"+strconv.Itoa(last.Port)+"\n" || h.uid() == 0 || h.units.restarts != 1 {
		t.Errorf("%q, user %d, %d restarts", rest, h.uid(), h.units.restarts)
	}
	r.port = last.Port
	if d := cmp.Diff(sortedKeys(before, "key "), sortedKeys(r.image(), "key ")); d != "" {
		t.Error(d)
	}
	must(t, h.undo())
	r.port, r.password = old, ""
	if d := cmp.Diff(before, r.image()); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
	if d := cmp.Diff(files, h.tree()); d != "" || read(t, env) != text {
		t.Errorf("files (-before +after):\n%s", d)
	}
}

// A server that does not come up, or comes up without its data, is put back as
// it was and started again.
func TestRedisHardenFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(h *hardening)
	}{
		{"the job fails", func(h *hardening) { h.units.broken = true }},
		{"the user cannot start it", func(h *hardening) {
			must(t, os.Chmod(filepath.Dir(h.r.conf), 0o700)) // after the look, as somebody else might
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := harden(t)
			h.r.say("SAVE")
			before, files := h.r.image(), h.tree()
			last := h.steps[3]
			for _, s := range h.steps[:3] {
				s.done()
			}
			c.spoil(h)
			if c.name != "the job fails" {
				files[filepath.Dir(h.r.conf)] = h.tree()[filepath.Dir(h.r.conf)]
			}
			if _, err := last.do(); err == nil {
				t.Fatal("nobody noticed")
			}
			must(t, h.undo())
			if h.uid() != 0 {
				t.Errorf("runs as %d", h.uid())
			}
			if d := cmp.Diff(before, h.r.image()); d != "" {
				t.Errorf("(-before +after):\n%s", d)
			}
			if d := cmp.Diff(files, h.tree()); d != "" {
				t.Errorf("files (-before +after):\n%s", d)
			}
		})
	}
}

// What stands against a restart is said before anything is changed.
func TestRedisHardenRefuses(t *testing.T) {
	for _, c := range []struct {
		id   string
		make func(h *hardening)
	}{
		{"refuse.redis-launcher", func(h *hardening) { h.units.argv = append(h.units.argv, "--port", "1") }},
		{"refuse.redis-required", func(h *hardening) { h.units.required = "shop.service" }},
		{"refuse.units-pending", func(h *hardening) { h.units.pending = []string{"nginx.service"} }},
		{"refuse.redis-unsaved-settings", func(h *hardening) { h.r.say("CONFIG", "SET", "maxmemory", "100mb") }},
		{"refuse.redis-armed", func(h *hardening) { h.r.say("CONFIG", "SET", "dir", "/tmp") }},
		{"refuse.redis-data", func(h *hardening) { h.r.say("SAVE"); h.r.say("FLUSHALL") }},
		{"refuse.redis-folder-shared", func(h *hardening) {
			must(t, os.WriteFile(filepath.Join(h.r.dir, "notes.txt"), nil, 0o644))
		}},
		{"refuse.redis-barrier", func(h *hardening) { must(t, os.Chmod(filepath.Dir(h.r.conf), 0o700)) }},
		{"refuse.redis-elsewhere", func(h *hardening) {
			more := filepath.Join(filepath.Dir(h.r.conf), "more.conf")
			must(t, os.WriteFile(more, []byte("enable-protected-configs yes\n"), 0o644))
			must(t, os.WriteFile(h.r.conf, []byte(read(t, h.r.conf)+"include "+more+"\n"), 0o644))
		}},
	} {
		t.Run(strings.TrimPrefix(c.id, "refuse."), func(t *testing.T) {
			h := harden(t)
			c.make(h)
			before := h.tree()
			err := h.apply()
			refused(t, err, c.id)
			if h.units.restarts != 0 || h.uid() != 0 {
				t.Errorf("%d restarts, user %d", h.units.restarts, h.uid())
			}
			if c.id == "refuse.redis-data" {
				return // saved by the test
			}
			after := h.tree()
			delete(after, filepath.Join(h.r.dir, "dump.rdb"))
			delete(before, filepath.Join(h.r.dir, "dump.rdb"))
			if d := cmp.Diff(before, after); d != "" {
				t.Errorf("changed (-before +after):\n%s", d)
			}
		})
	}
}

// Started by hand, a replica, a master with one: none is restarted.
func TestRedisNotRestartable(t *testing.T) {
	r := startRedis(t)
	refused(t, stepOf(t, redisWriter(), redisSave, redisSaveWith{Server: r.server()}).look(), "refuse.redis-launcher")
	replica := startRedis(t, "replicaof 127.0.0.1 "+strconv.Itoa(r.port))
	refused(t, stepOf(t, redisWriter(), redisSave, redisSaveWith{Server: replica.server()}).look(), "refuse.redis-replica")
	r.until("the replica is there", func() bool { return strings.Contains(r.say("INFO", "replication"), "connected_slaves:1") })
	refused(t, stepOf(t, redisWriter(), redisSave, redisSaveWith{Server: r.server()}).look(), "refuse.redis-replicas")
}

func TestRedisValue(t *testing.T) {
	for _, c := range [][2]string{{"100mb", "104857600"}, {"1G", "1000000000"}, {" A  b ", "a b"}, {`""`, ""}, {"10", "10"}, {"mb", "mb"}} {
		if got := redisValue(c[0]); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}
