package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"demine/lab/pool"
)

// burning are the stand-in's arguments: two threads, as many as a small server has CPUs.
var burning = []string{"-threads", "2"}

// standin plays a variant of the stand-in from a place, with properties of its unit and more arguments.
func standin(variant, at string, properties []string, more ...string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		if err := s.program(ctx, variant, at); err != nil {
			return err
		}
		return s.mine(ctx, properties, append(append([]string{at}, burning...), more...)...)
	}
}

// then plays something more once another cell is played, and sees to it that it took effect: check is a script in which
// $p is the stand-in's process.
func then(first func(context.Context, *Scene) error, more func(context.Context, *Scene) error, check string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		if err := first(ctx, s); err != nil {
			return err
		}
		if err := more(ctx, s); err != nil {
			return err
		}
		if _, err := s.h.sh(ctx, fmt.Sprintf("p=%d; %s", s.PIDs[0], check)); err != nil {
			return fmt.Errorf("it does not hide: %w", err)
		}
		return nil
	}
}

// disguises are the known stand-in, which carries RandomX's constants, each with one way to hide.
var disguises = []Cell{
	{Name: "plain", What: "dynamically linked, from /var/tmp", Want: "confirmed", play: standin("dynamic", "/var/tmp/minerd", nil)},
	{Name: "static", What: "statically linked, from /dev/shm", Want: "confirmed", play: standin("standin", "/dev/shm/x", nil)},
	{Name: "stripped", What: "without symbols", Want: "confirmed", play: standin("stripped", "/var/tmp/s", nil)},
	{Name: "renamed", What: "called nginx, where administrators install one", Want: "likely",
		play: standin("stripped", "/usr/local/nginx/sbin/nginx", nil)},
	{Name: "kernel-thread", What: "calls itself [kworker/u8:1]", Want: "confirmed", play: as("[kworker/u8:1]", "/var/tmp/.k/kworker")},
	{Name: "deleted", What: "its file is deleted", Want: "confirmed",
		play: then(standin("stripped", "/usr/local/sbin/cron-d", nil), remove("/usr/local/sbin/cron-d"), "readlink /proc/$p/exe | grep -q deleted")},
	{Name: "memfd", What: "runs from a memory file", Want: "confirmed",
		play: then(standin("stripped", "/usr/local/sbin/dbusd", nil, "-memfd", "dbus"), remove("/usr/local/sbin/dbusd"), "readlink /proc/$p/exe | grep -q memfd")},
	{Name: "upx", What: "packed with UPX", Want: "confirmed", play: standin("packed", "/var/tmp/p", nil)},
	{Name: "upx-altered", What: "packed with UPX, whose marks are altered", Want: "confirmed",
		play: standin("altered", "/var/tmp/q", nil)},
	{Name: "throttled", What: "30 % of one CPU", Want: "confirmed",
		play: standin("stripped", "/var/tmp/t", nil, "-threads", "1", "-percent", "30")},
	{Name: "low-priority", What: "nice 19 and SCHED_IDLE", Want: "confirmed",
		play: standin("stripped", "/var/tmp/l", []string{"Nice=19", "CPUSchedulingPolicy=idle"})},
	{Name: "wrapped", What: "a shell script starts it again whenever it ends", Want: "confirmed", play: wrapped},
	{Name: "covered-empty", What: "an empty folder is mounted over /proc/PID", Want: "confirmed",
		play: then(standin("stripped", "/var/tmp/c", nil), cover("/var/lib/.e"), "! test -e /proc/$p/exe")},
	{Name: "covered-other", What: "another process's folder is mounted over /proc/PID", Want: "confirmed",
		play: then(standin("stripped", "/var/tmp/d", nil), cover("/proc/1"), "test $(readlink /proc/$p/exe) = $(readlink /proc/1/exe)")},
	{Name: "covered-packed", What: "packed, and an empty folder is mounted over /proc/PID", Want: "confirmed",
		play: then(standin("packed", "/var/tmp/e", nil), cover("/var/lib/.e"), "! test -e /proc/$p/exe")},
	{Name: "all-at-once", What: "packed with altered marks, deleted, called [kworker/u8:1], throttled, SCHED_IDLE, covered", Want: "confirmed",
		play: allAtOnce},
	{Name: "preload-hidden", What: "a library in /etc/ld.so.preload leaves it out of listings", Want: "confirmed",
		play: then(standin("stripped", "/var/tmp/h", nil), preload, "ls /proc | grep -qx 1 && ! ls /proc | grep -qx $p && ! ps -e | grep -qw $p")},
}

// as starts the stand-in under a name that is not its file's.
func as(name, at string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		if err := s.program(ctx, "stripped", at); err != nil {
			return err
		}
		return s.mine(ctx, nil, append([]string{"/bin/bash", "-c", `exec -a "$0" "$@"`, name, at}, burning...)...)
	}
}

// allAtOnce leaves nothing out but what would undo the rest.
func allAtOnce(ctx context.Context, s *Scene) error {
	const at = "/usr/local/sbin/kworker"
	if err := s.program(ctx, "altered", at); err != nil {
		return err
	}
	if err := s.mine(ctx, []string{"Nice=19", "CPUSchedulingPolicy=idle"},
		"/bin/bash", "-c", `exec -a "$0" "$@"`, "[kworker/u8:1]", at, "-threads", "1", "-percent", "30"); err != nil {
		return err
	}
	if err := remove(at)(ctx, s); err != nil {
		return err
	}
	return cover("/var/lib/.e")(ctx, s)
}

func remove(at string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.h.sh(ctx, "rm "+at)
		return err
	}
}

// wrapped: the process that is to be found is the script's child.
func wrapped(ctx context.Context, s *Scene) error {
	const dir = "/var/tmp/.w/"
	if err := s.program(ctx, "stripped", dir+"svc"); err != nil {
		return err
	}
	text := "#!/bin/sh\nwhile :; do " + dir + "svc " + strings.Join(burning, " ") + "; sleep 1; done\n"
	s.remove(dir + "run.sh")
	if err := s.h.put(ctx, strings.NewReader(text), dir+"run.sh", 0o755); err != nil {
		return err
	}
	shell, err := s.start(ctx, nil, dir+"run.sh")
	if err != nil {
		return err
	}
	out, err := s.h.sh(ctx, fmt.Sprintf("pgrep -P %d", shell))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	s.PIDs = []int{pid}
	return err
}

// cover mounts a folder over the process's own.
func cover(with string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		at := fmt.Sprintf("/proc/%d", s.PIDs[0])
		_, err := s.h.sh(ctx, "mkdir -p "+with+" && mount --bind "+with+" "+at)
		s.after("umount " + at)
		return err
	}
}

// preload hides the process from every program that is started from now on and linked dynamically.
func preload(ctx context.Context, s *Scene) error {
	const library = "/usr/local/lib/libtime.so"
	if err := s.program(ctx, "hider.so", library); err != nil {
		return err
	}
	for _, f := range []file{{path: "/etc/lab-hidden", text: fmt.Sprintln(s.PIDs[0])}, {path: "/etc/ld.so.preload", text: library + "\n"}} {
		s.after("rm " + f.path)
		if err := s.h.put(ctx, strings.NewReader(f.text), f.path, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// newMiners are written anew: no constant of known code, only work, and words with a pool.
var newMiners = []Cell{
	{Name: "go-pool", What: "written in Go; Monero's Stratum, a wallet", Want: "confirmed",
		play: gominer("gominer", "-o", poolAddr)},
	{Name: "go-packed", What: "written in Go and packed with UPX; Monero's Stratum, a wallet", Want: "confirmed",
		play: gominer("gominer-packed", "-o", poolAddr)},
	{Name: "go-bitcoin", What: "written in Go; Bitcoin's Stratum, a name at the pool", Want: "confirmed",
		play: gominer("gominer", "-o", poolAddr, "-d", "bitcoin", "-u", "lab.worker1")},
	{Name: "go-tls", What: "written in Go; the pool is reached over TLS", Want: "confirmed",
		play: gominer("gominer", "-o", sealedAddr, "-s")},
	{Name: "go-proxy", What: "written in Go; a pool's proxy: bare address and port, no wallet", Want: "confirmed",
		play: gominer("gominer", "-o", poolAddr, "-u", "x")},
	{Name: "go-alone", What: "written in Go; no pool and no word of one, nothing but work", Want: "possible",
		play: func(ctx context.Context, s *Scene) error {
			if err := s.program(ctx, "crunch", "/var/tmp/.x/gm"); err != nil {
				return err
			}
			return s.mine(ctx, nil, "/var/tmp/.x/gm", "-threads", "2", "-work", "hash")
		}},
	{Name: "python", What: "a Python script in /tmp; Monero's Stratum", Want: "confirmed",
		play: interpreted("miner.py", "/tmp/.x/m.py", "/usr/bin/python3")},
	{Name: "java", What: "a Java source in /tmp; Monero's Stratum", Want: "confirmed",
		play: interpreted("Miner.java", "/tmp/.x/Miner.java", "/usr/bin/java", "-Xmx128m")},
}

func gominer(variant string, more ...string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		if err := s.h.pool(ctx); err != nil {
			return err
		}
		const at = "/var/tmp/.x/gm"
		if err := s.program(ctx, variant, at); err != nil {
			return err
		}
		if err := s.mine(ctx, nil, append([]string{at, "-t", "2"}, more...)...); err != nil {
			return err
		}
		return s.talking(ctx)
	}
}

// interpreted runs a script that is told the pool and the wallet.
func interpreted(script, at string, interpreter ...string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		if err := s.h.pool(ctx); err != nil {
			return err
		}
		if err := s.script(ctx, script, at); err != nil {
			return err
		}
		if err := s.mine(ctx, nil, append(interpreter, at, poolAddr, pool.Wallet)...); err != nil {
			return err
		}
		return s.talking(ctx)
	}
}

// talking waits until the stand-in has a connection with the pool.
func (s *Scene) talking(ctx context.Context) error {
	return until(ctx, time.Minute, "a connection with the pool", func() error {
		_, err := s.h.sh(ctx, fmt.Sprintf("ss -tnpH state established dst %s | grep -q pid=%d,", IntruderV4, s.PIDs[0]))
		return err
	})
}
