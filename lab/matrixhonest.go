package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"demine/lab/pool"
)

// honest are programs that keep CPUs busy, talk of mining or hold its code, and mine nothing for a stranger.
var honest = []Cell{
	{Name: "stress-ng", What: "stress-ng on all CPUs", play: busy("stress-ng", "--cpu", "2", "--cpu-method", "all")},
	{Name: "openssl-speed", What: "openssl speed", play: loop("root", "openssl speed -seconds 10 -multi 2 sha256 aes-256-cbc")},
	{Name: "argon2", What: "Argon2d with 256 MiB, RandomX's own recipe for its cache", play: loop("lin", "printf password | argon2 saltsaltsalt -d -t 3 -m 18 -p 2 -r")},
	{Name: "john", What: "john cracks a password of the owner's", play: john},
	{Name: "own-hash", What: "a password search of one's own, from one's home", play: own("lin", "/home/lin/bin/search", "hash")},
	{Name: "own-render", What: "a renderer from /opt, a thread pinned to each CPU", play: own("deploy", "/opt/render/bin/render", "render")},
	{Name: "own-garbage", What: "a Go program whose garbage collector never rests", play: own("deploy", "/opt/app/bin/app", "garbage")},
	{Name: "java-garbage", What: "a Java program whose garbage collector never rests",
		play: scripted("deploy", "Storm.java", "/opt/app/Storm.java", "/usr/bin/java", "-Xmx64m", "-XX:+UseParallelGC")},
	{Name: "python-training", What: "gradient descent in Python, from a home", play: scripted("lin", "train.py", "/home/lin/train.py", "/usr/bin/python3")},
	{Name: "json-worker", What: "a worker that speaks JSON by lines with a queue: login, results",
		play: scripted("deploy", "worker.py", "/opt/worker/worker.py", "/usr/bin/python3")},
	{Name: "xz", What: "xz -9 on two threads", play: loop("root", "head -c 64M /dev/urandom | xz -9 -T2 >/dev/null")},
	{Name: "restic", What: "a backup with restic", play: restic},
	{Name: "gcc", What: "a compile with gcc", play: loop("deploy", compile)},
	{Name: "go-build", What: "go build of the standard library", play: goBuilds},
	{Name: "go-test", What: "go test runs a benchmark of all CPUs, from /tmp/go-build", play: goTests},
	{Name: "vpxenc", What: "a video encoder", play: encoder},
	{Name: "redis-benchmark", What: "redis-benchmark against a Redis of its own, on a Unix socket",
		play: loop("deploy", "redis-server --port 0 --unixsocket /home/deploy/r.sock --save '' & sleep 1; redis-benchmark -s /home/deploy/r.sock -l -q")},
	{Name: "postgresql", What: "an analytical query on a real PostgreSQL", play: postgres},
	{Name: "clamscan", What: "clamscan with RandomX's constants as its signatures reads the stand-in's file", play: clamscan},
	{Name: "grep-capture", What: "grep looks for miners' words in what was captured on the wire", play: grep},
	{Name: "analyst", What: "an analyst's Python script, from a home, reads the same and talks to Redis", play: analyst},
	{Name: "pool-server", What: "a pool that the owner runs: own account, from /opt", play: poolServer},
	{Name: "monero-node", What: "the stand-in's code as monerod: own account, from /opt, listening on 18080", play: node},
	{Name: "container-honest", What: "a renderer in a Docker container that is always started again",
		play: func(ctx context.Context, s *Scene) error {
			_, err := s.contain(ctx, "crunch", "/app/render", "-threads", "2")
			return err
		}},
}

// busy plays a program of this machine.
func busy(argv ...string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.start(ctx, nil, append([]string{"/usr/bin/env"}, argv...)...)
		return err
	}
}

// loop plays a script over and over, as an account. It ends when the script fails.
func loop(user, script string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		_, err := s.start(ctx, []string{"User=" + user}, "/bin/sh", "-c", "cd; while :; do { "+script+"\n} || exit 1; done")
		return err
	}
}

// own plays a program that no package owns.
func own(user, at, work string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		if err := s.program(ctx, "crunch", at); err != nil {
			return err
		}
		_, err := s.start(ctx, []string{"User=" + user}, at, "-threads", "2", "-work", work)
		return err
	}
}

func scripted(user, script, at string, interpreter ...string) func(context.Context, *Scene) error {
	return func(ctx context.Context, s *Scene) error {
		if err := s.script(ctx, script, at); err != nil {
			return err
		}
		_, err := s.start(ctx, []string{"User=" + user}, append(interpreter, at)...)
		return err
	}
}

// compile makes a file that takes gcc some seconds, and compiles it.
const compile = `test -s big.c || for i in $(seq 3000); do echo "double f$i(double x){double s=0;for(int k=0;k<$i;k++)s+=x*k/(1.0+s);return s;}"; done > big.c
gcc -O2 -c big.c -o big.o`

func john(ctx context.Context, s *Scene) error {
	return loop("lin", `echo "wang:$(openssl passwd -6 -salt saltsalt correcthorse)" > hashes; /usr/sbin/john --incremental --fork=2 hashes`)(ctx, s)
}

func restic(ctx context.Context, s *Scene) error {
	s.remove("/srv/backup")
	_, err := s.start(ctx, []string{"Environment=RESTIC_PASSWORD=lab RESTIC_REPOSITORY=/srv/backup RESTIC_CACHE_DIR=/var/cache/restic"}, "/bin/sh", "-c",
		"restic init && while :; do restic backup --force /usr/bin /usr/share/perl; done")
	return err
}

func goBuilds(ctx context.Context, s *Scene) error {
	if err := s.bringGo(ctx); err != nil {
		return err
	}
	return loop("deploy", "rm -rf .cache; GOTOOLCHAIN=local GOFLAGS=-p=2 /usr/local/go/bin/go build std")(ctx, s)
}

// goTests runs what lies where programs are not installed, and rests as little as a miner.
func goTests(ctx context.Context, s *Scene) error {
	if err := s.bringGo(ctx); err != nil {
		return err
	}
	const dir, text = "/srv/sum", `package sum

import (
	"crypto/sha512"
	"testing"
)

func BenchmarkSum(b *testing.B) {
	b.RunParallel(func(p *testing.PB) {
		for sum := sha512.Sum512(nil); p.Next(); sum = sha512.Sum512(sum[:]) {
		}
	})
}
`
	s.remove(dir)
	for _, f := range []file{{path: dir + "/go.mod", text: "module sum\n\ngo 1.24\n"}, {path: dir + "/sum_test.go", text: text}} {
		if err := s.h.put(ctx, strings.NewReader(f.text), f.path, 0o644); err != nil {
			return err
		}
	}
	if err := loop("deploy", "cd "+dir+"; GOTOOLCHAIN=local /usr/local/go/bin/go test -bench . -benchtime 1h -timeout 0")(ctx, s); err != nil {
		return err
	}
	return until(ctx, 5*time.Minute, "the benchmark to run", func() error {
		// From 100 % on ps prints no decimals.
		out, err := s.h.sh(ctx, "ps -C sum.test -o pcpu= | grep -q '[0-9][0-9]' && exit 0; systemctl status --no-pager -n 20 "+s.unit()+" 2>&1")
		switch {
		case err != nil: // systemctl tells so that the unit is not active
			return fmt.Errorf("%w: %w", errEnded, err)
		case out != "":
			return errors.New(out)
		}
		return nil
	})
}

// bringGo puts a Go into the host, where it is on many machines, and no package's.
func (s *Scene) bringGo(ctx context.Context) error {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find Go: %w", err)
	}
	s.after("rm -rf /usr/local/go")
	pack := exec.CommandContext(ctx, "tar", "-C", strings.TrimSpace(string(root)), "--exclude=*_test.go", "--exclude=testdata", "-c", "bin", "pkg", "src", "go.env", "VERSION")
	out, err := pack.StdoutPipe()
	if err != nil {
		return err
	}
	if err := pack.Start(); err != nil {
		return err
	}
	r, err := s.h.capture(ctx, s.h.Inside, out, []string{"sh", "-euc", "mkdir -p /usr/local/go && tar -C /usr/local/go -x"})
	_, _ = io.Copy(io.Discard, out)
	if werr := pack.Wait(); err == nil && werr != nil {
		err = fmt.Errorf("pack Go: %w", werr)
	}
	if err != nil || r.Exit != 0 {
		return fmt.Errorf("copy Go: %w: %s", err, r.Stderr)
	}
	return nil
}

func encoder(ctx context.Context, s *Scene) error {
	return loop("deploy", "test -s in.yuv || head -c 17280000 /dev/urandom > in.yuv; vpxenc --i420 -w 640 -h 360 --threads=2 -q -o /dev/null in.yuv")(ctx, s)
}

func postgres(ctx context.Context, s *Scene) error {
	s.remove("/var/lib/postgresql/lab")
	_, err := s.start(ctx, []string{"User=postgres"}, "/bin/sh", "-c", `set -e
cd /var/lib/postgresql
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
initdb -D lab -A trust >/dev/null
postgres -D lab -k $PWD/lab -c listen_addresses= &
until pg_isready -q -h $PWD/lab; do sleep 0.1; done
while :; do psql -q -h $PWD/lab -d postgres -c 'select count(*), avg(a.n * b.n) from generate_series(1, 5000) a(n), generate_series(1, 5000) b(n)'; done`)
	return err
}

// signatures are constants that the stand-in has, in ClamAV's format for bodies of files.
const signatures = `Lab.Key0:0:*:0d2cb592de56a89f47db82ccad3a98d7
Lab.Key1:0:*:6e998d3398b7c7155a129ef55780e7ac
Lab.Key2:0:*:1700776ad0c762ae6b507950e47ca0e8
Lab.Key3:0:*:0c240a638d82ad070500a1794849997e
`

func clamscan(ctx context.Context, s *Scene) error {
	if err := s.program(ctx, "stripped", "/srv/samples/sample.bin"); err != nil {
		return err
	}
	s.remove("/srv/av/lab.ndb")
	if err := s.h.put(ctx, strings.NewReader(signatures), "/srv/av/lab.ndb", 0o644); err != nil {
		return err
	}
	return loop("root", "clamscan -d /srv/av/lab.ndb --no-summary /srv/samples /usr/lib/gcc >/dev/null || test $? = 1")(ctx, s)
}

func node(ctx context.Context, s *Scene) error {
	if _, err := s.h.sh(ctx, "useradd -r -s /usr/sbin/nologin monero"); err != nil {
		return err
	}
	s.after("userdel monero")
	const at = "/opt/monero/bin/monerod"
	if err := s.program(ctx, "standin", at); err != nil {
		return err
	}
	_, err := s.start(ctx, []string{"User=monero"}, at, "-threads", "2", "-percent", "40", "-serve", "0.0.0.0:18080")
	return err
}

// capture is a file of what miners and pools say, long enough to keep a program busy.
func (s *Scene) capture(ctx context.Context, at string) error {
	lines := pool.Account{User: pool.Wallet, Password: "x"}.Words() + pool.Account{Dialect: pool.Bitcoin, User: "lab.worker1", Password: "x"}.Words()
	s.remove(at)
	return s.h.put(ctx, strings.NewReader(strings.Repeat(lines+`{"url":"stratum+tcp://pool.invalid:3333"}`+"\n", 20000)), at, 0o644)
}

func grep(ctx context.Context, s *Scene) error {
	if err := s.capture(ctx, "/srv/capture.jsonl"); err != nil {
		return err
	}
	return loop("lin", "grep -c -i -E 'mining\\.(subscribe|authorize)|stratum\\+tcp' /srv/capture.jsonl >/dev/null")(ctx, s)
}

func analyst(ctx context.Context, s *Scene) error {
	if err := s.capture(ctx, "/srv/capture.jsonl"); err != nil {
		return err
	}
	return scripted("lin", "analyse.py", "/home/lin/analyse.py", "/usr/bin/python3")(ctx, s)
}

// poolServer need not work hard to look like what it is.
func poolServer(ctx context.Context, s *Scene) error {
	if _, err := s.h.sh(ctx, "useradd -r -s /usr/sbin/nologin pool"); err != nil {
		return err
	}
	s.after("userdel pool")
	const at = "/opt/pool/bin/pool"
	if err := s.program(ctx, "world", at); err != nil {
		return err
	}
	if err := s.run(ctx, []string{"User=pool"}, at, "pool", "-clear", "127.0.0.1:3333", "-tls", "127.0.0.1:4443"); err != nil {
		return err
	}
	return until(ctx, 20*time.Second, "the pool to listen", func() error {
		_, err := s.h.sh(ctx, "ss -ltn | grep -q :4443")
		return err
	})
}
