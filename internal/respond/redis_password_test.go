package respond

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// A client with a file of its own: without that file the password is refused,
// with it both sides have it, and undo is the identity.
func TestRedisRequirepass(t *testing.T) {
	r := startRedis(t)
	dir := t.TempDir()
	env := filepath.Join(dir, "shop.env")
	must(t, os.WriteFile(env, []byte("# shop\nSHOP_REDIS=redis://127.0.0.1:"+strconv.Itoa(r.port)+"/0\nX=1\n"), 0o640))
	client := exec.Command("redis-cli", "-p", strconv.Itoa(r.port), "SUBSCRIBE", "news")
	client.Dir = dir
	must(t, client.Start())
	defer func() { _ = client.Process.Kill(); _ = client.Wait() }()
	r.until("it listens", func() bool { return strings.Contains(r.say("CLIENT", "LIST", "TYPE", "pubsub"), "subscribe") })
	with := redisPasswordWith{Server: r.server(), File: fact.Path(r.conf)}
	w := redisWriter()
	refused(t, stepOf(t, w, redisRequirepass, with).look(), "refuse.redis-clients")

	with.Clients = []fact.Path{fact.Path(env)}
	before, conf, text := r.image(), read(t, r.conf), read(t, env)
	s := stepOf(t, w, redisRequirepass, with)
	m := s.done()
	_, rest, _ := strings.Cut(read(t, env), "redis://:")
	pass, rest, _ := strings.Cut(rest, "@")
	if len(pass) != 32 || rest != "127.0.0.1:"+strconv.Itoa(r.port)+"/0\nX=1\n" {
		t.Fatalf("the client has %q", read(t, env))
	}
	if !strings.HasSuffix(read(t, r.conf), "\nrequirepass "+pass+"\n") {
		t.Errorf("the server has %q", read(t, r.conf))
	}
	if i, err := os.Stat(r.conf); err != nil || i.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", i.Mode(), err)
	}
	if strings.Contains(string(s.undo)+string(s.step.Expect)+string(s.step.With), pass) || strings.Contains(m.ID, pass) {
		t.Error("the password is in the journal")
	}
	if v, err := r.try("GET", "x"); err != nil || !strings.HasPrefix(v.Str, "NOAUTH") {
		t.Errorf("without a password: %q %v", v.Str, err)
	}
	r.password = pass
	r.until("the client stays", func() bool { return strings.Contains(r.say("CLIENT", "LIST", "TYPE", "pubsub"), "subscribe") })
	if err := s.look(); !errors.Is(err, ErrNothing) {
		t.Errorf("again: %v", err)
	}
	must(t, s.back())
	must(t, s.back())
	r.password = ""
	if d := cmp.Diff(before, r.image()); d != "" {
		t.Error(d)
	}
	if read(t, r.conf) != conf || read(t, env) != text {
		t.Errorf("files are not as before: %q %q", read(t, r.conf), read(t, env))
	}
	if i, err := os.Stat(r.conf); err != nil || i.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", i.Mode(), err)
	}
}

func TestRedisRequirepassRefuses(t *testing.T) {
	master := startRedis(t)
	replica := startRedis(t, "replicaof 127.0.0.1 "+strconv.Itoa(master.port))
	acl := startRedis(t, "user ops on nopass ~* &* +@all")
	for _, c := range []struct {
		r  *ownRedis
		id string
	}{{replica, "refuse.redis-replica"}, {acl, "refuse.redis-acl"}} {
		refused(t, stepOf(t, redisWriter(), redisRequirepass, redisPasswordWith{Server: c.r.server(), File: fact.Path(c.r.conf)}).look(), c.id)
	}
}

func TestClientFile(t *testing.T) {
	for _, c := range []struct{ name, in, pass, port string }{
		{"url", "A=redis://127.0.0.1:6380/1\nB=redis://10.9.9.9:6380\n", "A=redis://:PW@127.0.0.1:6380/1\nB=redis://10.9.9.9:6380\n", "A=redis://127.0.0.1:7000/1\nB=redis://10.9.9.9:6380\n"},
		{"other port", "A=redis://127.0.0.1:63801\n", "", ""},
		{"env", "REDIS_HOST=127.0.0.1\nREDIS_PORT=6380\nREDIS_PASSWORD=\n", "REDIS_HOST=127.0.0.1\nREDIS_PORT=6380\nREDIS_PASSWORD=PW\n", "REDIS_HOST=127.0.0.1\nREDIS_PORT=7000\nREDIS_PASSWORD=\n"},
		{"env without", "export SHOP_REDIS_PORT=6380", "export SHOP_REDIS_PORT=6380\nexport SHOP_REDIS_PASSWORD=PW", "export SHOP_REDIS_PORT=7000"},
		{"spring", "spring.data.redis.host=localhost\r\nspring.data.redis.port=6380\r\n", "spring.data.redis.host=localhost\r\nspring.data.redis.port=6380\r\nspring.data.redis.password=PW\r\n", "spring.data.redis.host=localhost\r\nspring.data.redis.port=7000\r\n"},
		{"yaml", "db:\n  password: x\nspring:\n  redis:\n    host: 127.0.0.1\n    port: 6380\n    # none\n  other:\n    password: y\n",
			"db:\n  password: x\nspring:\n  redis:\n    host: 127.0.0.1\n    port: 6380\n    password: PW\n    # none\n  other:\n    password: y\n",
			"db:\n  password: x\nspring:\n  redis:\n    host: 127.0.0.1\n    port: 7000\n    # none\n  other:\n    password: y\n"},
		{"comment", "# redis://127.0.0.1:6380\n", "", ""},
		{"twice", "REDIS_PORT=6380\nREDIS_PASSWORD=a\nREDIS_PASSWORD=b\n", "", "REDIS_PORT=7000\nREDIS_PASSWORD=a\nREDIS_PASSWORD=b\n"},
		{"bare", "addr = 127.0.0.1:6380\n", "", "addr = 127.0.0.1:7000\n"},
		{"mysql", "DB_PORT=6380\n", "", ""},
	} {
		for _, way := range []struct {
			want string
			edit func(*clientFile) error
		}{
			{c.pass, func(f *clientFile) error { return f.setPassword("PW") }},
			{c.port, func(f *clientFile) error { return f.setPort(7000) }},
		} {
			f := openClientFile("x", []byte(c.in), 6380, []string{"127.0.0.1", "localhost", "::1"})
			err := way.edit(f)
			if way.want == "" {
				refused(t, err, "refuse.redis-client-file")
				continue
			}
			if err != nil || string(f.bytes()) != way.want {
				t.Errorf("%s: %q, %v; want %q", c.name, f.bytes(), err, way.want)
			}
		}
	}
}
