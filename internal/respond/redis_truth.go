package respond

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/mask"
	"demine/internal/format/redisconf"
	"demine/internal/host"
)

// redisTruth is what a server's owner wants of it: its command line, then its
// file with what it includes. What the running server says is not in it: that
// is what intruders change.
type redisTruth struct {
	file    map[string][]string // the last line of each directive; save lines joined
	argv    map[string]string
	files   []fact.Path // the configuration and its includes, in the order of reading
	acl     bool        // users are defined
	unclear bool        // a file could not be read
}

// get gives a directive as one text, by the command line before the file.
func (t redisTruth) get(name string) (string, bool) {
	if v, ok := t.argv[name]; ok {
		return v, true
	}
	v, ok := t.file[name]
	return strings.Join(v, " "), ok
}

const (
	maxRedisConf     = 1 << 20
	maxRedisIncludes = 16
)

// readRedisTruth reads the owner's word for a server. configFile is what the
// server says that it was started with.
func readRedisTruth(h *host.Host, s redisServer, configFile string) redisTruth {
	t := redisTruth{file: map[string][]string{}, argv: map[string]string{}}
	config := t.readLaunch(s.Launch)
	switch {
	case path.IsAbs(configFile):
		config = fact.Path(configFile)
	case config == "":
		config = s.Config
	}
	if path.IsAbs(string(config)) {
		t.readFile(h, config, 0)
	}
	return t
}

// readLaunch takes the options of "redis-server [FILE] [--name value…]".
func (t *redisTruth) readLaunch(words []string) (config fact.Path) {
	name := ""
	for i, w := range words {
		switch {
		case i == 0:
		case strings.HasPrefix(w, "--"):
			name = strings.ToLower(w[2:])
			t.argv[name] = ""
		case name != "":
			t.argv[name] = strings.TrimSpace(t.argv[name] + " " + w)
		case i == 1 && w != "-":
			config = fact.Path(w)
		}
	}
	return config
}

// readFile: later lines win, as in Redis itself.
func (t *redisTruth) readFile(h *host.Host, f fact.Path, depth int) {
	b, _, err := h.Files.ReadFile(f, maxRedisConf)
	if err != nil {
		t.unclear = true
		return
	}
	t.files = append(t.files, f)
	for _, d := range redisconf.Parse(b) {
		switch {
		case d.Name == "include":
			for _, a := range d.Args {
				// A pattern, or a name relative to a folder that nobody knows any more.
				if depth >= maxRedisIncludes || !path.IsAbs(a) || strings.ContainsAny(a, "*?[") {
					t.unclear = true
					continue
				}
				t.readFile(h, fact.Path(a), depth+1)
			}
		case d.Name == "user" || d.Name == "aclfile":
			t.acl = true
			t.file[d.Name] = d.Args
		case d.Name == "save" && strings.Join(d.Args, "") != "":
			t.file[d.Name] = append(t.file[d.Name], d.Args...)
		default:
			t.file[d.Name] = d.Args
		}
	}
}

// Folders whose files are run or believed: no owner's data is there, so a
// setting that names one is an intruder's, wherever it stands.
var autostartFolder = regexp.MustCompile(`^/var/spool/cron(/|$)|^/etc/?$|^/etc/(cron|init\.d|rc\.d|systemd/|profile\.d|update-motd\.d)|^/(usr/)?lib/systemd/|/\.ssh/?$`)

// home gives the folder and the name under which the server saves by its
// owner's word. now is the folder in force. A folder that nobody wrote down is
// known only while nothing points elsewhere.
func (t redisTruth) home(now, nowFile string) (dir, dump fact.Path, err error) {
	file, ok := t.get("dbfilename")
	if !ok {
		file = "dump.rdb"
	}
	d, ok := t.get("dir")
	switch {
	case t.unclear:
		return "", "", Refuse("refuse.redis-config-unread")
	case ok && autostartFolder.MatchString(d):
		return "", "", Refuse("refuse.redis-config-planted", "dir", d)
	case ok && path.IsAbs(d):
		return fact.Path(path.Clean(d)), fact.Path(file), nil
	case !autostartFolder.MatchString(now) && nowFile == file:
		return fact.Path(now), fact.Path(file), nil
	}
	return "", "", Refuse("refuse.redis-dir-unknown", "dir", fact.Path(now))
}

// liveRedis is a connection to a server together with what is known of it.
type liveRedis struct {
	*redisConn
	server redisServer
	info   map[string]string // sections server, replication, persistence
	truth  redisTruth
}

// openRedis connects to exactly that server and logs in with the password of
// its file where it wants one. A Refusal says what stands against it.
func openRedis(ctx context.Context, h *host.Host, s redisServer) (*liveRedis, error) {
	if err := s.process(h); err != nil {
		return nil, err
	}
	at, err := s.addresses(ctx, h)
	if err != nil {
		return nil, err
	}
	if len(at) == 0 {
		return nil, Refuse("refuse.redis-no-listener", "pid", s.PID, "port", s.Port)
	}
	c, err := dialRedis(ctx, h, s.PID, at[0])
	if err != nil {
		return nil, fmt.Errorf("redis (pid %d) at %s: %w", s.PID, at[0], err)
	}
	l := &liveRedis{redisConn: c, server: s}
	if err := l.greet(h); err != nil {
		c.Close()
		return nil, err
	}
	return l, nil
}

// greet logs in and reads what the server is.
func (l *liveRedis) greet(h *host.Host) error {
	err := l.ok("PING")
	var e redisError
	if errors.As(err, &e) && e.code() == "NOAUTH" {
		if err = l.login(h); err != nil {
			return err
		}
	}
	if err != nil {
		return l.because(err)
	}
	for _, section := range []string{"server", "replication", "persistence", "cluster"} {
		lines, err := l.redisConn.info(section)
		if err != nil {
			return l.because(err)
		}
		if l.info == nil {
			l.info = lines
		}
		for k, v := range lines {
			l.info[k] = v
		}
	}
	if l.info["redis_mode"] == "sentinel" {
		return Refuse("refuse.redis-sentinel", "pid", l.server.PID)
	}
	l.truth = readRedisTruth(h, l.server, l.info["config_file"])
	return nil
}

// login sends the password of the configuration. The server has not said
// which file that is: only the one that the scan or the unit names is used.
func (l *liveRedis) login(h *host.Host) error {
	pass, ok := readRedisTruth(h, l.server, "").get("requirepass")
	if !ok || pass == "" || pass == mask.Hidden { // hidden on a command line that a fact has
		return Refuse("refuse.redis-password-unknown", "pid", l.server.PID, "file", l.server.Config)
	}
	if l.ok("AUTH", pass) != nil { // its answer may repeat what was sent
		return Refuse("refuse.redis-password-wrong", "pid", l.server.PID, "file", l.server.Config)
	}
	return nil
}

// because turns an answer that stands against everything else into a Refusal.
func (l *liveRedis) because(err error) error {
	var e redisError
	if !errors.As(err, &e) {
		return fmt.Errorf("redis (pid %d): %w", l.server.PID, err)
	}
	return Refuse("refuse.redis-answer", "pid", l.server.PID, "answer", fact.Text([]byte(e)))
}

// configs gives several settings in force. A server that does not tell is a
// Refusal.
func (l *liveRedis) configs(names ...string) (map[string]string, error) {
	out := map[string]string{}
	for _, n := range names {
		v, ok, err := l.config(n)
		if err != nil {
			return nil, l.because(err)
		}
		if ok {
			out[n] = v
		}
	}
	return out, nil
}

// isReplica refuses what only a master may be asked for.
func (l *liveRedis) isReplica() error {
	if l.info["role"] != "slave" {
		return nil
	}
	return Refuse("refuse.redis-replica", "pid", l.server.PID, "master", l.info["master_host"]+":"+l.info["master_port"])
}
