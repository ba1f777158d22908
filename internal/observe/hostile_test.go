package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/host/fixture"
)

// hostilePlaces are files that observers open by themselves.
var hostilePlaces = []string{
	"/etc/crontab", "/etc/cron.d/x", "/var/spool/cron/root", "/var/spool/cron/crontabs/root", "/etc/crontabs/root", "/etc/anacrontab",
	"/etc/cron.daily/x", "/etc/periodic/daily/x", "/etc/systemd/system/x.service", "/etc/systemd/system/x.timer",
	"/etc/systemd/system/multi-user.target.wants/x.service", "/etc/systemd/system/timers.target.wants/x.timer",
	"/etc/systemd/system/x.service.d/y.conf", "/etc/rc.local", "/etc/init.d/x", "/etc/rc3.d/S10x", "/etc/local.d/x.start",
	"/etc/ssh/sshd_config", "/root/.ssh/authorized_keys", "/root/.bash_history", "/var/log/auth.log", "/var/log/wtmp", "/var/log/syslog",
	"/etc/redis/redis.conf", "/etc/iptables/rules.v4", "/etc/nftables.conf", "/etc/ufw/user.rules", "/etc/firewalld/zones/public.xml",
	"/etc/ld.so.preload", "/etc/group", "/var/lib/dpkg/status", "/var/lib/dpkg/info/x.list", "/var/lib/dpkg/info/x.md5sums",
	"/var/lib/dpkg/diversions", "/usr/share/openssh/sshd_config", "/tmp/x",
	"/etc/docker/daemon.json", "/var/lib/docker/containers/x/config.v2.json", "/var/lib/docker/containers/x/hostconfig.json",
	"/run/containerd/io.containerd.runtime.v2.task/moby/x/config.json", "/run/containerd/io.containerd.runtime.v2.task/moby/x/init.pid",
	"/var/lib/containers/storage/overlay-containers/containers.json", "/root/.aws/credentials", "/root/.ssh/id_rsa", "/etc/ssl/private/x.key",
	"/srv/x/.env", "/etc/letsencrypt/live/x/privkey.pem",
}

var mine = []*Observer{cron, unit, rc, sshd, log, key, history, redis, savedfirewall, file, packages, container, credential}

// Whatever stands in the files, an observer neither fails nor panics, and what
// it says can be written down.
func TestHostileFiles(t *testing.T) {
	kinds := map[string]func(r *rand.Rand, p string) string{
		"fifo":   func(_ *rand.Rand, p string) string { return "-- " + p + " type=fifo --\n" },
		"sparse": func(_ *rand.Rand, p string) string { return "-- " + p + " size=10737418240 --\nx\n" },
		"denied": func(_ *rand.Rand, p string) string { return "-- " + p + " error=permission --\nx\n" },
		"folder": func(_ *rand.Rand, p string) string { return "-- " + p + "/a --\nx\n" },
		"circle": func(_ *rand.Rand, p string) string { return "-- " + p + " -> " + p + " --\n" },
		"noise":  noise,
	}
	for name, make := range kinds {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			var b strings.Builder
			for _, p := range hostilePlaces {
				b.WriteString(make(r, p))
			}
			h, err := fixture.Parse([]byte(b.String()))
			if err != nil {
				t.Fatal(err)
			}
			check(t, h, hostileBase())
		})
	}
}

// noise is random bytes between words that parsers know.
func noise(r *rand.Rand, p string) string {
	words := []string{
		"* * * * * ", "root ", "/tmp/x ", "\\n", "\\x00", "\\xff\\xfe", "REDIS0009", "[Service]\\n", "ExecStart=", "[Timer]\\nOnCalendar=",
		"Match User ", "Include /etc/ssh/*\\n", "ssh-rsa AAAA", "curl x|sh", "\\\\", "*filter\\n-A INPUT ", "-j ACCEPT", "table inet x {", "<zone>", "%",
		"Nov 22 19:00:01 h sshd[1]: Accepted ", "#1795370000\\n", "include /etc/redis/redis.conf\\n", "\\x7fELF", "#!/bin/sh\\n", "=", "'", "$(",
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- %s enc=go mode=%o --\n", p, r.IntN(0o1000))
	for range 200 {
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, "\\x%02x", r.IntN(256))
		} else {
			b.WriteString(words[r.IntN(len(words))])
		}
	}
	return b.String() + "\n"
}

func hostileBase() fact.Snapshot {
	s := initAnd(
		fact.Process{Ref: "process:9", PID: 9, PPID: 1, Comm: "redis-server", Exe: "/usr/bin/redis-server", Argv: []string{"redis-server", "/etc/redis/redis.conf"}},
		fact.Process{Ref: "process:10", PID: 10, PPID: 1, Comm: "sshd", Exe: "/usr/sbin/sshd", Argv: []string{"-", "--", "-o"}},
		fact.Process{Ref: "process:11", PID: 11, PPID: 1, Comm: "cron", Exe: "/usr/sbin/cron", Argv: []string{""}},
		fact.Process{Ref: "process:12", PID: 12, PPID: 1, Comm: "x", Exe: "/tmp/x"},
	)
	s.Account = []fact.Account{{Ref: "account:root", Name: "root", Home: "/root", Login: true}, {Ref: "account:\xff", Name: "\xff", Home: "relative"}}
	return s
}

func check(t *testing.T, h *host.Host, base fact.Snapshot) *fact.Snapshot {
	t.Helper()
	s := Run(context.Background(), h, mine, Scope{Files: []fact.Path{"/tmp/x", "relative", ""}}, &base)
	for _, c := range s.Coverage {
		if c.State == fact.Failed {
			t.Errorf("%s: %+v", c.Observer, c.Gaps)
		}
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
	return s
}

func TestFullFolders(t *testing.T) {
	var b strings.Builder
	for i := range 11_000 {
		fmt.Fprintf(&b, "-- /etc/cron.d/n%d --\n* * * * * root /tmp/x%d\n-- /etc/cron.daily/n%d mode=0755 --\n-- /etc/systemd/system/a.wants/n%d.service --\n-- /etc/rc3.d/S%d --\n", i, i, i, i, i)
	}
	h, err := fixture.Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	s := check(t, h, initAnd())
	if len(s.Autostart) > 3*maxJobs+maxNames || len(s.File) > maxFiles {
		t.Errorf("%d autostarts, %d files", len(s.Autostart), len(s.File))
	}
	for _, c := range s.Coverage {
		if c.Observer == "cron" && c.State != fact.Partial {
			t.Errorf("%+v", c)
		}
	}
}

func TestThisMachine(t *testing.T) {
	s := check(t, host.Live(), initAnd())
	for _, c := range s.Coverage {
		t.Logf("%-14s %-8s %5d facts %6d µs %v", c.Observer, c.State, c.Count, c.TookUS, gaps(c))
	}
}
