package observe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

func redisBase() fact.Snapshot {
	base := initAnd(
		fact.Process{Ref: "process:10", PID: 10, PPID: 1, Comm: "redis-server", Exe: "/usr/bin/redis-server", Sockets: []uint64{5, 6},
			NetNS: 1, Argv: []string{"/usr/bin/redis-server 0.0.0.0:6380"}},
		fact.Process{Ref: "process:11", PID: 11, PPID: 10, Comm: "redis-server", Exe: "/usr/bin/redis-server", Argv: []string{"redis-rdb-bgsave 0.0.0.0:6380"}},
		fact.Process{Ref: "process:12", PID: 12, PPID: 1, Comm: "redis-server", Exe: "/usr/bin/redis-check-rdb", NetNS: 1,
			Sockets: []uint64{7}, Argv: []string{"/usr/bin/redis-server 10.0.0.5:6379"}},
		fact.Process{Ref: "process:13", PID: 13, PPID: 1, Comm: "redis-server", Exe: "/tmp/redis", Argv: []string{"redis-server *:1"}},
		fact.Process{Ref: "process:14", PID: 14, PPID: 1, Comm: "redis-server", Exe: "/usr/bin/redis-server", Argv: []string{"redis-server *:26379 [sentinel]"}},
		fact.Process{Ref: "process:99", PID: 99, Comm: "demine", NetNS: 1},
	)
	base.Host.Self = 99
	any4, lan := netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("10.0.0.5")
	base.Socket = []fact.Socket{
		{Ref: "socket:5", Inode: 5, Port: 6380, Local: any4, State: "LISTEN", NetNS: 1},
		{Ref: "socket:6", Inode: 6, Port: 16380, Local: any4, State: "LISTEN", NetNS: 1},
		{Ref: "socket:7", Inode: 7, Port: 6379, Local: lan, State: "LISTEN", NetNS: 1},
	}
	return base
}

func redisLines(s fact.Service) []string {
	out := []string{fmt.Sprintf("%s %s %v auth %s by %s version %s set %v", s.Ref, s.Config, s.Ports, s.Auth, s.AuthBy, s.Version, s.Secret)}
	for _, x := range s.Settings {
		out = append(out, fmt.Sprintf("%s=%s %s %s:%d", x.Name, x.Value, x.From, x.Origin.Path, x.Origin.Line))
	}
	return out
}

func TestRedis(t *testing.T) {
	s, c := lookAt(t, "redis-seed", redisBase(), redis)
	if len(s.Service) != 2 || c.State != fact.Seen {
		t.Fatalf("%d services, %+v", len(s.Service), c)
	}
	want := []string{
		"service:redis:0.0.0.0:6380 /etc/redis/redis-6380.conf [6380 16380] auth none by asked version 5.0.14 set {false false false}",
		"dir=/var/spool/cron running :0",
		"dir.configured=/var/lib/redis file /etc/redis/redis-6380.conf:3",
		"dbfilename=root running :0",
		"dbfilename.configured=dump.rdb file /etc/redis/redis-6380.conf:4",
		"save=900 1 300 10 running /etc/redis/redis-6380.conf:6",
		"appendonly=no running :0",
		"bind=0.0.0.0 running /etc/redis/redis-6380.conf:1",
		"port=6380 running /etc/redis/redis-6380.conf:2",
		"protected-mode=no running /etc/redis/more.conf:1",
		"rdbcompression=yes running :0",
		"replicaof= running :0",
		"requirepass= running /etc/redis/redis-6380.conf:7",
	}
	if d := cmp.Diff(want, redisLines(s.Service[0])); d != "" {
		t.Error(d)
	}
	want = []string{
		"service:redis:10.0.0.5:6379 /etc/redis/redis.conf [6379] auth password by asked version  set {true false false}",
		"dbfilename=dump.rdb default :0",
		"save=3600 1 300 100 60 10000 default :0",
		"appendonly=no default :0",
		"bind=* -::* default :0",
		"port=6379 argv :0",
		"protected-mode=yes default :0",
		"rdbcompression=yes default :0",
		"requirepass=*** file /etc/redis/redis.conf:2",
	}
	if d := cmp.Diff(want, redisLines(s.Service[1])); d != "" {
		t.Error(d)
	}
}

// CONFIG may be renamed or refused, a server may be gone or in another network
// namespace: the file answers then, and what was not asked is said.
func TestRedisThatDoesNotTell(t *testing.T) {
	base := initAnd(
		fact.Process{Ref: "process:20", PID: 20, PPID: 1, Comm: "valkey-server", Exe: "/opt/valkey/bin/valkey-server", Cwd: "/etc/redis",
			Sockets: []uint64{5}, Argv: []string{"valkey-server", "redis.conf", "--port", "7000", "--requirepass", "***"}},
		fact.Process{Ref: "process:21", PID: 21, PPID: 1, Comm: "redis-server", Exe: "/usr/bin/redis-server", Sockets: []uint64{6}, Argv: []string{"redis-server *:7001"}},
		fact.Process{Ref: "process:22", PID: 22, PPID: 1, Comm: "redis-server", Exe: "/usr/bin/redis-server", Container: "0123456789abcdef",
			Sockets: []uint64{8}, Argv: []string{"redis-server *:6380"}},
	)
	loop := netip.MustParseAddr("127.0.0.1")
	base.Socket = []fact.Socket{
		{Ref: "socket:5", Inode: 5, Port: 7000, Local: loop, State: "LISTEN"}, {Ref: "socket:6", Inode: 6, Port: 7001, Local: loop, State: "LISTEN"},
		{Ref: "socket:8", Inode: 8, Port: 6380, Local: loop, State: "LISTEN", NetNS: 9},
	}
	s, c := lookAt(t, "redis-seed", base, redis)
	got := map[int]string{}
	for _, x := range s.Service {
		got[x.Ports[0]] = fmt.Sprintf("%s by %s %v %v %s", x.Auth, x.AuthBy, x.Secret, x.Gaps, x.Setting("port").From)
	}
	want := map[int]string{
		7000: "none by asked {true false false} [settings] argv", 7001: "unknown by  {false false false} [not-asked] argv", 6380: "unknown by  {false false false} [other-namespace] argv",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"refused redis 127.0.0.1:7001 (pid 21)"}, gaps(c)); d != "" {
		t.Error(d)
	}
}

// Members of a cluster talk to each other 10000 higher, and not of commands.
func TestWithoutBus(t *testing.T) {
	if got := withoutBus([]int{6379, 7000, 16379, 20000}); !cmp.Equal(got, []int{6379, 7000, 20000}) {
		t.Error(got)
	}
}

// Without root the descriptors of a server cannot be seen: its title names the
// port.
func TestRedisByItsTitle(t *testing.T) {
	base := redisBase()
	for i := range base.Process {
		base.Process[i].Sockets, base.Process[i].NetNS, base.Process[i].Exe = nil, 0, ""
	}
	s, _ := lookAt(t, "redis-seed", base, redis)
	if x := s.Service[0]; x.Auth != "none" || x.AuthBy != "asked" || !cmp.Equal(x.Ports, []int{6380}) {
		t.Errorf("%+v", x)
	}
}

// What a file includes may set a password: where it cannot be read, is looked for
// in the container, or is more than is read, nothing is said of authentication.
func TestRedisIncludes(t *testing.T) {
	const open = "port 6379\n"
	for _, c := range []struct {
		name, files, want string
		container         bool
	}{
		{"none", "-- /etc/redis/r.conf --\n" + open, "none [not-asked]", false},
		{"not there", "-- /etc/redis/r.conf --\n" + open + "include /etc/redis/secret.conf\n", "unknown [include not-asked]", false},
		{"a pattern of nothing", "-- /etc/redis/r.conf --\n" + open + "include /etc/redis/conf.d/*.conf\n", "none [not-asked]", false},
		{"a pattern", "-- /etc/redis/r.conf --\n" + open + "include conf.d/*.conf\n-- /etc/redis/conf.d/a.conf --\nrequirepass 5f1c0d2e9b7a\n", "password [not-asked]", false},
		{"not there, but a password", "-- /etc/redis/r.conf --\nrequirepass 5f1c0d2e9b7a\ninclude /etc/redis/secret.conf\n", "password [include not-asked]", false},
		{"itself", "-- /etc/redis/r.conf --\n" + open + strings.Repeat("include /etc/redis/r.conf\n", 1000), "unknown [include not-asked]", false},
		{"of the container", "-- /proc/30/root/etc/redis/r.conf --\n" + open + "include /etc/redis/conf.d/*.conf\n" +
			"-- /proc/30/root/etc/redis/conf.d/a.conf --\nrequirepass 5f1c0d2e9b7a\n", "password [other-namespace]", true},
		{"of the host", "-- /proc/30/root/etc/redis/r.conf --\n" + open + "include /etc/redis/conf.d/*.conf\n" +
			"-- /etc/redis/conf.d/a.conf --\nrequirepass 5f1c0d2e9b7a\n", "none [other-namespace]", true},
	} {
		h, err := fixture.Parse([]byte(c.files))
		if err != nil {
			t.Fatal(err)
		}
		p := fact.Process{Ref: "process:30", PID: 30, PPID: 1, Comm: "redis-server", Exe: "/usr/bin/redis-server", Argv: []string{"redis-server", "/etc/redis/r.conf"}}
		if c.container {
			p.Container = "0123456789abcdef"
		}
		s, _ := lookAtHost(t, h, initAnd(p), redis)
		x := s.Service[0]
		if got := fmt.Sprintf("%s %v", x.Auth, x.Gaps); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// stuck takes connections and never answers, as a server in a script.
type stuck struct{ host.Kernel }

func (stuck) Dial(context.Context, string, string) (net.Conn, error) {
	here, _ := net.Pipe()
	return here, nil
}

func TestRedisThatHangs(t *testing.T) {
	h, err := fixture.Load("testdata/redis-seed.txtar")
	if err != nil {
		t.Fatal(err)
	}
	h.Kernel = stuck{h.Kernel}
	begin := time.Now()
	s, c := lookAtHost(t, h, redisBase(), redis)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if c.State != fact.Partial || c.Gaps[0].Code != "timeout" || s.Service[0].AuthBy != "config" {
		t.Errorf("%+v %+v", c, s.Service[0])
	}
}

// A Redis that speaks TLS alone is asked over TLS; one that asks for a
// certificate too, as it does unless told otherwise, lets no stranger in.
func TestRedisOverTLS(t *testing.T) {
	for name, c := range map[string]struct {
		conf, answer string
		client       tls.ClientAuthType
		want         string
	}{
		"open":                {"tls-auth-clients no", "+PONG\r\n", tls.NoClientCert, "none asked [6380]"},
		"a password":          {"tls-auth-clients optional", "-NOAUTH Authentication required.\r\n", tls.RequestClientCert, "password asked [6380]"},
		"a certificate":       {"", "+PONG\r\n", tls.RequireAnyClientCert, "key asked [6380]"},
		"it says nothing":     {"", "", tls.NoClientCert, "key config [6380]"},
		"nor does its config": {"tls-auth-clients no", "", tls.NoClientCert, "none config [6380]"},
	} {
		h, err := fixture.Parse([]byte("-- /etc/redis/redis.conf --\nport 0\ntls-port 6380\n" + c.conf + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		kernel := &answering{Kernel: h.Kernel, answer: &c.answer, said: make(chan string, 8), secured: serverTLS(t)}
		kernel.secured.ClientAuth = c.client
		h.Kernel = kernel
		base := redisBase()
		base.Process, base.Socket = slices.Concat(base.Process[:2], base.Process[len(base.Process)-1:]), base.Socket[:1]
		s, _ := lookAtHost(t, h, base, redis)
		if len(s.Service) != 1 {
			t.Fatalf("%s: %d services", name, len(s.Service))
		}
		if got := fmt.Sprint(s.Service[0].Auth, " ", s.Service[0].AuthBy, " ", s.Service[0].AuthAt); got != c.want {
			t.Errorf("%s: %q, want %q; %v", name, got, c.want, s.Service[0].Gaps)
		}
	}
}

// What it answers at its plain port says nothing of the port at which it asks for a certificate.
func TestRedisWithBothPorts(t *testing.T) {
	for conf, want := range map[string]string{
		"port 6380\ntls-port 7380\n": "none [6380]", "port 6380\ntls-port 7380\ntls-auth-clients no\n": "none [6380 7380]",
	} {
		h, err := fixture.Parse([]byte("-- /etc/redis/redis.conf --\n" + conf))
		if err != nil {
			t.Fatal(err)
		}
		pong := "+PONG\r\n"
		h.Kernel = &answering{Kernel: h.Kernel, answer: &pong, said: make(chan string, 8)}
		base := redisBase()
		base.Process, base.Socket = slices.Concat(base.Process[:2], base.Process[len(base.Process)-1:]), base.Socket[:2]
		base.Socket[1].Port = 7380
		s, _ := lookAtHost(t, h, base, redis)
		if got := fmt.Sprint(s.Service[0].Auth, " ", s.Service[0].AuthAt); got != want {
			t.Errorf("%q: %q, want %q", conf, got, want)
		}
	}
}
