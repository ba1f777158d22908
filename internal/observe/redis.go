package observe

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/redisconf"
	"demine/internal/host"
)

var redis = &Observer{
	Name:    "redis",
	Doc:     "each running Redis, Valkey or KeyDB: its settings as it answers, else from its command line and files, and whether it asks for a password",
	Sees:    []string{fact.KindService},
	Needs:   []string{"process", "socket", "unit"},
	Reads:   []string{"/etc/redis/*", "/etc/redis.conf", "/etc/redis-*.conf", "/etc/valkey/*", "/etc/keydb/*", "/proc/*/root/**"},
	Follows: []string{fact.KindProcess, fact.KindAutostart},
	See:     seeRedis,
}

// asked are the settings that a running server is asked for, and those that
// are kept of its files; requirepass only for whether it is set.
var asked = []string{
	"dir", "dbfilename", "save", "appendonly", "bind", "port", "protected-mode", "rdbcompression", "replicaof", "requirepass",
}

// redisDefaults are built in (config.c of Redis 7.0; 6 and older differ in
// bind, which the catalogue of rules knows).
var redisDefaults = map[string]string{
	"dbfilename": "dump.rdb", "save": "3600 1 300 100 60 10000", "appendonly": "no", "bind": "* -::*", "port": "6379",
	"protected-mode": "yes", "rdbcompression": "yes", "replicaof": "", "enable-protected-configs": "no",
}

func seeRedis(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	if len(in.Process) == 0 {
		return p, errNoProcess // that there is no server cannot be said
	}
	r := &redisLook{v: v, in: in, p: &p, netns: ownNetNS(in), own: ownAddresses(v), quiet: sc.NoProbe}
	servers := map[int]*fact.Process{}
	for i := range in.Process {
		if x := &in.Process[i]; isRedis(x) {
			servers[x.PID] = x
		}
	}
	for i := range in.Process {
		x := &in.Process[i]
		if servers[x.PID] == nil || servers[x.PPID] != nil { // a child that saves is no server
			continue
		}
		p.Service = append(p.Service, r.look(ctx, x))
	}
	p.Absent = len(p.Service) == 0
	return p, ctx.Err()
}

var (
	redisName = regexp.MustCompile(`^(redis|valkey|keydb)[0-9]*-server(-?[0-9.]+)?$`)
	// Debian's server is a link to this one.
	redisCheck = regexp.MustCompile(`^(redis|valkey|keydb)[0-9]*-check-(rdb|aof)$`)
)

func isRedis(p *fact.Process) bool {
	exe := path.Base(string(p.Exe))
	switch {
	case p.Kernel || slices.Contains(p.Argv, "--sentinel"):
		return false
	case len(p.Argv) > 0 && strings.HasSuffix(strings.Join(p.Argv, " "), "[sentinel]"):
		return false
	case p.Exe == "":
		return redisName.MatchString(p.Comm)
	}
	return redisName.MatchString(exe) || redisCheck.MatchString(exe) && redisName.MatchString(p.Comm)
}

// redisLook is one look at all servers.
type redisLook struct {
	v     *View
	in    *fact.Snapshot
	p     *Part
	netns uint64              // demine's own
	own   map[netip.Addr]bool // of this host
	quiet bool                // nobody is to be asked
}

// redisServer is one server, with what each source says of it.
type redisServer struct {
	process *fact.Process
	sockets []fact.Socket
	config  fact.Path
	argv    map[string]string
	file    map[string]fileValue
	running map[string]string // nil: it was not asked, or did not answer
	info    map[string]string
	reply   string // to PING: PONG, NOAUTH, DENIED, or empty
	denied  bool   // it is open, but CONFIG is not allowed to us
	wants   bool   // a client's certificate, over TLS
	acl     bool   // users are defined
	gaps    []string
	opened  int  // files of its configuration
	blind   bool // some of them could not be read
}

type fileValue struct {
	value  string
	origin fact.Origin
}

func (r *redisLook) look(ctx context.Context, p *fact.Process) fact.Service {
	s := &redisServer{process: p, sockets: listening(r.in, p), argv: map[string]string{}, file: map[string]fileValue{}}
	s.readArgv()
	addrs := r.addresses(s, s.sockets)
	var silent error
	switch {
	case foreign(p, r.netns):
		s.gaps = append(s.gaps, "other-namespace")
	case r.quiet:
		s.gaps = append(s.gaps, "not-asked")
		r.p.Gaps = append(r.p.Gaps, fact.Gap{Code: "not-asked", What: fmt.Sprintf("redis (pid %d)", p.PID)})
	default:
		silent = r.ask(ctx, s, addrs, false)
	}
	r.readFile(ctx, s)
	if more := s.secured(); silent != nil && len(more) > 0 {
		addrs = r.addresses(s, more)
		silent = r.ask(ctx, s, addrs, true)
	}
	if silent != nil {
		r.unasked(s, addrs, silent)
	}
	return s.service(r)
}

// foreign: the server is in another network namespace than demine's own, where
// our loopback is not its loopback.
func foreign(p *fact.Process, own uint64) bool {
	if own == 0 || p.NetNS == 0 {
		return p.Container != ""
	}
	return own != p.NetNS
}

// readArgv takes the options of the command line: "redis-server [FILE]
// [--name value…]". A running server rewrites it to its title, "redis-server
// 127.0.0.1:6379", which tells the port only.
func (s *redisServer) readArgv() {
	args := s.process.Argv
	if len(args) == 1 {
		args = strings.Fields(args[0])
	}
	name := ""
	for i, a := range args {
		switch {
		case i == 0:
		case strings.HasPrefix(a, "--"):
			name = strings.ToLower(a[2:])
			s.argv[name] = ""
		case name != "":
			s.argv[name] = strings.TrimSpace(s.argv[name] + " " + a)
		case i == 1 && isTitle(a):
			s.argv["port"] = a[strings.LastIndexByte(a, ':')+1:]
		case i == 1 && a != "-":
			s.config = fact.Path(a)
			if !strings.HasPrefix(a, "/") {
				s.config = host.Join(s.process.Cwd, a)
			}
		}
	}
	if s.argv["port"] == "0" {
		delete(s.argv, "port")
	}
}

// isTitle: "*:6379", "127.0.0.1:6379", "[::1]:6379".
func isTitle(a string) bool {
	i := strings.LastIndexByte(a, ':')
	if i < 0 || strings.HasPrefix(a, "/") {
		return false
	}
	_, err := strconv.ParseUint(a[i+1:], 10, 16)
	return err == nil
}

// addresses are where the server can be asked, the best first: its sockets, by
// inode; without the right to see those, its port.
func (r *redisLook) addresses(s *redisServer, at []fact.Socket) []string {
	if len(s.sockets) == 0 && s.argv["port"] != "" {
		port, _ := strconv.Atoi(s.argv["port"])
		ns := cmp.Or(s.process.NetNS, r.netns)
		for _, x := range r.in.Socket {
			if x.State == "LISTEN" && x.Port == port && (ns == 0 || x.NetNS == ns) && x.UID == s.process.UID {
				s.sockets = append(s.sockets, x)
			}
		}
		at = s.sockets
	}
	ss := slices.Clone(at)
	slices.SortStableFunc(ss, func(a, b fact.Socket) int { return rank(s, b) - rank(s, a) })
	var out []string
	for _, x := range ss {
		a, ok := addressOf(x, r.own)
		if ok && !slices.Contains(out, a) && len(out) < 3 {
			out = append(out, a)
		}
	}
	return out
}

// rank prefers the port that the title names over that of the cluster bus, and
// this machine's own addresses.
func rank(s *redisServer, x fact.Socket) int {
	n := 0
	if strconv.Itoa(x.Port) == s.argv["port"] {
		n += 4
	}
	if x.Local.IsLoopback() || x.Local.IsUnspecified() {
		n += 2
	}
	if x.Local.Is4() {
		n++
	}
	return n
}

// service puts the sources together: what runs wins, then the command line,
// then the file.
func (s *redisServer) service(r *redisLook) fact.Service {
	out := fact.Service{
		Name: "redis", Process: s.process.Ref, Config: s.config, Ports: ports(s.sockets),
		Version: s.info["redis_version"], Secret: s.secret(), Gaps: s.gaps,
	}
	out.Ref = fact.ServiceRef("redis", s.key())
	if out.Ports == nil {
		if n, err := strconv.Atoi(s.argv["port"]); err == nil {
			out.Ports = []int{n}
		}
	}
	for _, name := range append(slices.Clone(asked), "enable-protected-configs", "slaveof", "unixsocket", "aclfile") {
		xs := s.settings(name)
		if redisconf.Secretly(name) {
			xs = starred(xs)
		}
		out.Settings = append(out.Settings, xs...)
	}
	out.Auth, out.AuthBy = s.auth()
	out.AuthAt = s.authAt(out.Ports)
	return out
}

// withoutBus leaves out the port at which the members of a cluster talk to each
// other: it is 10000 higher and knows no commands (redis.conf, cluster-port).
func withoutBus(ports []int) []int {
	return slices.DeleteFunc(slices.Clone(ports), func(n int) bool { return slices.Contains(ports, n-10000) })
}

// starred keeps of a secret where it is set, and whether.
func starred(xs []fact.Setting) []fact.Setting {
	for i := range xs {
		if xs[i].Value != "" {
			xs[i].Value = "***"
		}
	}
	return xs[:min(1, len(xs))]
}

// key tells two servers apart in the same way at every look.
func (s *redisServer) key() string {
	if len(s.sockets) > 0 {
		x := s.sockets[0]
		key := netip.AddrPortFrom(x.Local, uint16(x.Port)).String()
		if s.process.Container != "" {
			key = clip(s.process.Container, 12) + "@" + key
		}
		return key
	}
	if s.config != "" {
		return s.config.String()
	}
	return string(s.process.Ref.Key())
}

func (s *redisServer) settings(name string) []fact.Setting {
	run, isRun := s.running[name]
	arg, isArg := s.argv[name]
	f, isFile := s.file[name]
	x := fact.Setting{Name: name, Default: redisDefaults[name]}
	switch {
	case isRun:
		x.Value, x.From = run, "running"
	case isArg:
		x.Value, x.From = arg, "argv"
	case isFile:
		x.Value, x.From, x.Origin = f.value, "file", f.origin
	case len(s.file) > 0 && x.Default != "" && !s.tells() && name != "enable-protected-configs": // that one came with 7.0
		x.Value, x.From = x.Default, "default"
	default:
		return nil
	}
	x.Value = shown(x.Value)
	out := []fact.Setting{x}
	if !isRun {
		return out
	}
	was := fact.Setting{Name: name + ".configured", Default: x.Default}
	switch {
	case isArg:
		was.Value, was.From = arg, "argv"
	case isFile:
		was.Value, was.From, was.Origin = f.value, "file", f.origin
	default:
		return out
	}
	if same(name, was.Value, run) {
		if isFile {
			out[0].Origin = f.origin
		}
		return out
	}
	was.Value = shown(was.Value)
	return append(out, was)
}

// tells reports whether CONFIG GET works: what it does not know, the server
// does not have.
func (s *redisServer) tells() bool { return len(s.running) > 0 }

// same: a configured value means what the server says. A relative folder is
// relative to where it was started, which it does not tell.
func same(name, configured, running string) bool {
	if name == "dir" {
		return !strings.HasPrefix(configured, "/") || path.Clean(configured) == path.Clean(running)
	}
	return strings.Join(strings.Fields(strings.ToLower(configured)), " ") == strings.ToLower(running)
}

// secret is whether a password is set; what it is stays with Redis. Masked on
// a command line it is set, and nobody knows how weak.
func (s *redisServer) secret() fact.Secret {
	value, ok := s.running["requirepass"]
	if !ok {
		arg, isArg := s.argv["requirepass"]
		if isArg {
			return fact.Secret{Set: arg != "" && arg != `""`}
		}
		value = s.file["requirepass"].value
	}
	return fact.Secret{Set: value != "", Weak: value != "" && weak(value)}
}

// auth says what the server wants to know of a new peer.
func (s *redisServer) auth() (auth, by string) {
	switch s.reply {
	case "PONG":
		if s.denied {
			return "acl", "asked"
		}
		return "none", "asked"
	case "NOAUTH":
		if s.acl {
			return "acl", "asked"
		}
		return "password", "asked"
	case "DENIED": // protected mode: only from this machine, without a password
		return "none", "asked"
	}
	if s.wants {
		return "key", "asked"
	}
	if _, ok := s.argv["requirepass"]; ok {
		return "password", "argv"
	}
	switch {
	case s.onlyTLS() && s.certificates() && !s.blind:
		return "key", "config"
	case len(s.file) == 0:
		return "unknown", ""
	case s.acl:
		return "acl", "config"
	case s.file["requirepass"].value != "":
		return "password", "config"
	case s.blind: // it may be set there
		return "unknown", ""
	}
	return "none", "config"
}
