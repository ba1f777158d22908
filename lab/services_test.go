//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// server is a real one that runs in the host.
type server struct {
	name  string // that demine gives it
	start string
	port  int
	auth  string // that demine tells
	rule  string // that speaks of it; empty: none
	state string // prints all of it that a client could have changed
	asked bool   // demine speaks to it; else its log must not grow
}

// realServers are those that Debian has and that are quickly made. Redis and MariaDB are the shop's own.
var realServers = []server{
	{name: "memcached", port: 11211, auth: "none", rule: "exposure/data-open", asked: true,
		start: `memcached -u nobody -l 0.0.0.0 -d; sleep 1; printf 'set k 0 0 1\r\nv\r\nquit\r\n' | nc 127.0.0.1 11211`,
		state: `printf 'get k\r\nstats settings\r\nquit\r\n' | nc 127.0.0.1 11211; printf 'stats\r\nquit\r\n' | nc 127.0.0.1 11211 | grep -E 'items|cmd_(set|flush|touch|meta)|STAT bytes |evictions'`},
	{name: "etcd", port: 2379, auth: "none", rule: "exposure/data-open", asked: true,
		start: `etcd --data-dir /var/lib/etcd.lab --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://127.0.0.1:2379 </dev/null >/dev/null 2>&1 &`,
		state: `curl -sf http://127.0.0.1:2379/v3/kv/range -d '{"key":"AA==","range_end":"AA=="}'`},
	{name: "supervisor", port: 9001, auth: "none", rule: "exposure/commands-open", asked: true,
		start: `mkdir -p /etc/supervisor; printf '[inet_http_server]\nport=*:9001\n[supervisord]\n[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n[program:p]\ncommand=sleep 9999\n[supervisorctl]\nserverurl=http://127.0.0.1:9001\n' > /etc/supervisor/supervisord.conf; supervisord -c /etc/supervisor/supervisord.conf`,
		state: `supervisorctl pid p; supervisorctl pid; supervisorctl avail`},
	{name: "docker", port: 2375, auth: "none", rule: "exposure/commands-open", asked: true,
		start: `setsid dockerd -H tcp://0.0.0.0:2375 --bridge=none --iptables=false --ip-masq=false --storage-driver=vfs --tls=false </dev/null >/var/log/dockerd 2>&1 &`,
		state: `docker -H tcp://127.0.0.1:2375 info --format '{{.Containers}} {{.Images}} {{.ID}}' && docker -H tcp://127.0.0.1:2375 ps -aq && docker -H tcp://127.0.0.1:2375 volume ls -q`},
	{name: "php-fpm", port: 9000, auth: "none", rule: "exposure/commands-open",
		start: `printf '[global]\nerror_log=/var/log/fpm.log\nlog_level=debug\n[www]\nuser=nobody\nlisten=0.0.0.0:9000\npm=static\npm.max_children=1\naccess.log=/var/log/fpm.access\n' > /etc/fpm.conf; php-fpm8.2 -D -y /etc/fpm.conf`,
		state: `cat /var/log/fpm.access`},
	{name: "rsync", port: 873, auth: "none", rule: "exposure/data-open",
		start: `printf 'log file=/var/log/rsyncd.log\n[pub]\npath=/srv\nread only=no\n' > /etc/rsyncd.conf; rsync --daemon`,
		state: `cat /var/log/rsyncd.log`},
	{name: "postgresql", port: 5432, auth: "none", rule: "exposure/commands-open",
		start: `d=/var/lib/pglab; mkdir -p $d; echo secret-Kx9 > $d.secret; chown postgres $d $d.secret; cd /
pg() { setpriv --reuid postgres --regid postgres --clear-groups -- "$@"; }
pg /usr/lib/postgresql/15/bin/initdb -D $d -A scram-sha-256 --pwfile=$d.secret >/dev/null
echo 'host all all 0.0.0.0/0 trust' >> $d/pg_hba.conf
pg /usr/lib/postgresql/15/bin/pg_ctl -w -D $d -o '-h 0.0.0.0 -k /tmp -c log_connections=on' -l $d/log start >/dev/null`,
		state: `cat /var/lib/pglab/log`},
}

// TestServices: of real servers demine tells whether they ask for a password; what it asks them changes nothing in
// them, and those that it need not ask do not hear of it.
func TestServices(t *testing.T) {
	bin := product(t)
	h := boot(t, Config{Name: "services", Scenario: "quiet", NoLoad: true})
	if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
		t.Fatal(err)
	}
	for _, s := range realServers {
		inside(t, h, s.start)
		inside(t, h, fmt.Sprintf("iptables-legacy -I INPUT -p tcp --dport %d -j ACCEPT", s.port))
	}
	for _, s := range realServers {
		err := until(t.Context(), time.Minute, s.name, func() error {
			r, err := h.Run(t.Context(), "sh", "-euc", fmt.Sprintf("ss -Hltn sport = %d | grep -q . && %s", s.port, s.state))
			if err == nil && r.Exit != 0 {
				err = fmt.Errorf("%s%s", r.Stdout, r.Stderr)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := holdings(t, h)
	quiet := servicesOf(t, h, "--no-probe")
	for name, s := range before {
		if now := holdings(t, h)[name]; now != s {
			t.Errorf("%s is different after a look that asks nobody:\n%s\nthan before:\n%s", name, now, s)
		}
	}
	loud := servicesOf(t, h)
	after := holdings(t, h)
	for _, s := range realServers {
		if before[s.name] != after[s.name] {
			t.Errorf("%s is different after a look:\n%s\nthan before:\n%s", s.name, after[s.name], before[s.name])
		}
		checkServer(t, s, loud, quiet)
	}
	if auth, _ := loud.told("mysql"); auth != "password" {
		t.Errorf("mysql: %q", auth)
	}
	for _, c := range loud.Coverage {
		if c.Observer == "service" && c.State != "seen" {
			t.Errorf("%+v", c)
		}
	}
	if strings.Contains(loud.raw, "secret-Kx9") {
		t.Error("a password is told")
	}
}

// serversOverTLS are those that strangers may use though all that they say is encrypted.
var serversOverTLS = []server{
	{name: "etcd", port: 2379, auth: "none", rule: "exposure/data-open", asked: true,
		start: `etcd --data-dir /var/lib/etcd.lab --cert-file /root/c --key-file /root/k --listen-client-urls https://0.0.0.0:2379 --advertise-client-urls https://127.0.0.1:2379 </dev/null >/dev/null 2>&1 &`},
	{name: "docker", port: 2376, auth: "none", rule: "exposure/commands-open", asked: true,
		start: `setsid dockerd -H tcp://0.0.0.0:2376 --bridge=none --iptables=false --ip-masq=false --storage-driver=vfs --tls --tlsverify=false --tlscert /root/c --tlskey /root/k </dev/null >/var/log/dockerd 2>&1 &`},
}

// TestServicesOverTLS: what an encrypted server lets strangers do is asked over TLS.
func TestServicesOverTLS(t *testing.T) {
	bin := product(t)
	h := boot(t, Config{Name: "services-tls", Scenario: "quiet", NoLoad: true})
	if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
		t.Fatal(err)
	}
	inside(t, h, `openssl req -x509 -newkey rsa:2048 -nodes -keyout /root/k -out /root/c -days 1 -subj /CN=elsewhere 2>/dev/null`)
	for _, s := range serversOverTLS {
		inside(t, h, s.start)
		inside(t, h, fmt.Sprintf("iptables-legacy -I INPUT -p tcp --dport %d -j ACCEPT", s.port))
	}
	for _, s := range serversOverTLS {
		err := until(t.Context(), time.Minute, s.name, func() error {
			r, err := h.Run(t.Context(), "sh", "-euc", fmt.Sprintf("curl -sk -o /dev/null https://127.0.0.1:%d/", s.port))
			if err == nil && r.Exit != 0 {
				err = fmt.Errorf("%s%s", r.Stdout, r.Stderr)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	loud, quiet := servicesOf(t, h), servicesOf(t, h, "--no-probe")
	for _, s := range serversOverTLS {
		checkServer(t, s, loud, quiet)
	}
}

func checkServer(t *testing.T, s server, loud, quiet servicesScan) {
	if auth, by := loud.told(s.name); auth != s.auth || (by == "asked") != s.asked {
		t.Errorf("%s: authentication %q by %q, want %q, asked: %v", s.name, auth, by, s.auth, s.asked)
	}
	if _, by := quiet.told(s.name); by == "asked" {
		t.Errorf("%s was asked with --no-probe", s.name)
	}
	fired := false
	for _, f := range loud.Findings {
		fired = fired || f.Rule == s.rule && f.Message.Args["service"] == s.name
	}
	if !fired {
		t.Errorf("%s: %s did not fire", s.name, s.rule)
	}
}

// holdings is what the servers hold.
func holdings(t *testing.T, h *Host) map[string]string {
	t.Helper()
	out := map[string]string{"redis": inside(t, h, `redis-cli -p 6380 config get '*'; redis-cli -p 6380 dbsize; redis-cli -p 6380 lastsave`)}
	for _, s := range realServers {
		out[s.name] = inside(t, h, s.state)
	}
	return out
}

// servicesScan is the part of the contract that tells of services.
type servicesScan struct {
	scan
	Snapshot struct {
		Service []struct {
			Name, Auth string
			By         string `json:"auth_by"`
		}
	}
	raw string
}

// told is what is told of a server: how it asks, and how that is known.
func (s servicesScan) told(name string) (auth, by string) {
	for _, x := range s.Snapshot.Service {
		if x.Name == name {
			return x.Auth, x.By
		}
	}
	return "", ""
}

func servicesOf(t *testing.T, h *Host, args ...string) servicesScan {
	t.Helper()
	r, err := h.Run(t.Context(), append([]string{"/root/demine", "scan", "--json", "--snapshot"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	s := servicesScan{raw: r.Stdout}
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatalf("exit %d, %v: %s%s", r.Exit, err, r.Stdout, r.Stderr)
	}
	return s
}
