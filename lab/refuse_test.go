//go:build lab

package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// dryRun is the plan of a command.
func dryRun(t *testing.T, h *Host, args string) (p plan) {
	t.Helper()
	parse(t, demineIn(t, h, 0, append(strings.Fields(args), "--dry-run", "--json")...).Stdout, &p)
	return p
}

func (p plan) has(do string) bool {
	for _, s := range p.Steps {
		if s.Do == do {
			return true
		}
	}
	return false
}

// leaves wants a plan to say, by its id, why something is not done, and in words.
func leaves(t *testing.T, h *Host, args, id string, words ...string) plan {
	t.Helper()
	p := dryRun(t, h, args)
	if !slices.ContainsFunc(p.Left, func(m message) bool { return m.ID == id }) {
		t.Errorf("demine %s does not say %s: %+v", args, id, p.Left)
	}
	says(t, args, demineIn(t, h, 0, append(strings.Fields(args), "--dry-run")...).Stdout, words...)
	return p
}

// lacks wants none of these steps.
func (p plan) lacks(t *testing.T, dos ...string) {
	t.Helper()
	for _, do := range dos {
		if p.has(do) {
			t.Errorf("the plan has %s: %+v", do, p.Steps)
		}
	}
}

func redisPID(t *testing.T, h *Host) string {
	t.Helper()
	return inside(t, h, "redis-cli -p 6380 INFO server | tr -d '\\r' | sed -n 's/^process_id://p'")
}

const withPassword = "harden --redis-password --client-config /etc/shop/shop.env"

// TestRefuseReplica: a Redis that others copy is neither restarted nor given a password.
func TestRefuseReplica(t *testing.T) {
	t.Parallel()
	h := withProduct(t, Config{Name: "tr-replica", Scenario: "quiet", NoLoad: true, Replica: true, Firewall: Nft})
	was := redisPID(t, h)
	leaves(t, h, "harden", "refuse.redis-replicas", "has replicas (1): a restart can make them fail over").lacks(t, "redis.restart", "redis.user")
	leaves(t, h, withPassword, "refuse.redis-replicas").lacks(t, "redis.requirepass", "redis.restart")
	before := stateOf(t, h)
	demineIn(t, h, 0, append(strings.Fields(withPassword), "--yes")...)
	for _, d := range Diff(before, stateOf(t, h), "firewall *", "unit *", "unit file *", "file /etc/systemd/system") {
		t.Errorf("hardened: %s", d)
	}
	if now := redisPID(t, h); now != was {
		t.Errorf("Redis was process %s, is %s", was, now)
	}
	inside(t, h, "redis-cli -p 6381 INFO replication | grep -q master_link_status:up")
	undoAll(t, h, journal(t, h))
	sameState(t, h, before, "hardened and undone")
}

// TestRefuse: what demine must not touch on one host: a Redis that somebody started by hand or that strangers use, its
// own ancestors, who started a miner, a miner that serves, and the operator's last or only key.
func TestRefuse(t *testing.T) {
	t.Parallel()
	h := withProduct(t, Config{Name: "tr-refuse", Scenario: "quiet", NoLoad: true, Threads: 1, RedisBy: ByHand})
	t.Run("started by hand", func(t *testing.T) { checkByHand(t, h) })
	t.Run("strangers", func(t *testing.T) { checkStrangers(t, h) })
	t.Run("ancestor", func(t *testing.T) { checkAncestor(t, h) })
	t.Run("business", func(t *testing.T) { checkBusiness(t, h) })
	t.Run("serving miner", func(t *testing.T) { checkServing(t, h) })
	attack(t, h)
	t.Run("operator's way", func(t *testing.T) { checkOperatorsWay(t, h) })
	t.Run("operator's key", func(t *testing.T) { checkOperatorsKey(t, h) })
	t.Run("last key", func(t *testing.T) { checkLastKey(t, h) })
}

func checkByHand(t *testing.T, h *Host) {
	was := redisPID(t, h)
	leaves(t, h, "harden", "refuse.redis-launcher", "it is not certain what started it").lacks(t, "redis.restart", "redis.user", "redis.protect-configs")
	demineIn(t, h, 0, "harden", "--yes")
	if now := redisPID(t, h); now != was {
		t.Errorf("Redis was process %s, is %s", was, now)
	}
	undoAll(t, h, journal(t, h))
}

// checkStrangers: a password is not set while somebody is connected who would not learn it.
func checkStrangers(t *testing.T, h *Host) {
	leaves(t, h, "harden --redis-password", "refuse.redis-clients", "/etc/shop/shop.env").lacks(t, "redis.requirepass")
	c, err := h.Hold(t.Context(), DeveloperV4, HostV4, DoorPort)
	if err != nil {
		t.Fatal(err)
	}
	leaves(t, h, withPassword, "refuse.redis-clients", DeveloperV4).lacks(t, "redis.requirepass")
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// checkAncestor: demine runs from a shell that a miner has started.
func checkAncestor(t *testing.T, h *Host) {
	plantStandin(t, h)
	defer inside(t, h, "rm "+minerPath)
	r, err := h.Run(t.Context(), "timeout", "30", minerPath, "sh", "-c", "/root/demine contain; echo exit $?")
	if err != nil {
		t.Fatal(err)
	}
	says(t, "contain", r.Stdout, "minerd", "is demine itself or your own session", "exit 1")
	if r.Exit != 0 {
		t.Errorf("the shell: exit %d", r.Exit)
	}
}

func plantStandin(t *testing.T, h *Host) {
	t.Helper()
	if err := h.CopyIn(t.Context(), h.Folder+"/bin/standin", minerPath); err != nil {
		t.Fatal(err)
	}
}

// seller is a service that sells, and starts a miner when a client comes: it was broken into.
const seller = `
use IO::Socket::INET;
$SIG{CHLD} = 'IGNORE';
my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 9090, Listen => 5, ReuseAddr => 1) or die;
while (my $c = $l->accept()) {
	push @held, $c;
	exec('/bin/sh', '-c', "$ARGV[0] -threads 1; true") unless fork();
}
`

// clientOf starts a program that listens at port 9090, and a client of this host. It gives both pids.
func clientOf(t *testing.T, h *Host, argv string) (server, client string) {
	t.Helper()
	server = inside(t, h, "setsid "+argv+" </dev/null >/dev/null 2>&1 & echo $!")
	err := until(t.Context(), 10*time.Second, "somebody at port 9090", func() error {
		if inside(t, h, "ss -Hltn sport = 9090") == "" {
			return fmt.Errorf("nobody listens")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	client = inside(t, h, "setsid bash -c 'exec 3<>/dev/tcp/127.0.0.1/9090; exec cat <&3' </dev/null >/dev/null 2>&1 & echo $!")
	err = until(t.Context(), 10*time.Second, "the client", func() error {
		if inside(t, h, "ss -Htn state established dport = 9090") == "" {
			return fmt.Errorf("it is not connected")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return server, client
}

// checkBusiness: a service with clients whose child mines goes on; only the child is frozen.
func checkBusiness(t *testing.T, h *Host) {
	plantStandin(t, h)
	if err := h.put(t.Context(), strings.NewReader(seller), "/opt/sell.pl", 0o644); err != nil {
		t.Fatal(err)
	}
	server, client := clientOf(t, h, "perl /opt/sell.pl "+minerPath)
	defer inside(t, h, "kill -KILL "+server+" "+client+" $(pgrep -x minerd); rm "+minerPath)
	err := until(t.Context(), 10*time.Second, "the seller's miner", func() error {
		if inside(t, h, "pgrep -x minerd || true") == "" {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r := demineIn(t, h, 0, "contain")
	if got := states(t, h, "-C minerd"); got != "T" {
		t.Errorf("contained, and the miner is %s: %s", got, r.Stdout)
	}
	if got := states(t, h, "-p "+server+","+client); strings.ContainsAny(got, "TZ") || len(strings.Fields(got)) != 2 {
		t.Errorf("contained, and the business is %s: %s", got, r.Stdout)
	}
	says(t, "the plan", demineIn(t, h, 0, "clean", "--dry-run").Stdout, "which started "+minerPath+", is not touched")
	undoAll(t, h, journal(t, h)[:1])
}

// states are the letters of ps, of the main threads.
func states(t *testing.T, h *Host, which string) string {
	t.Helper()
	var all []string
	for _, s := range strings.Fields(inside(t, h, "ps -o stat= "+which+" || true")) {
		all = append(all, s[:1])
	}
	return strings.Join(all, " ")
}

// checkServing: the image of a miner itself has clients.
func checkServing(t *testing.T, h *Host) {
	plantStandin(t, h)
	server, client := clientOf(t, h, minerPath+" -threads 1 -serve 127.0.0.1:9090")
	defer inside(t, h, "kill "+server+" "+client+"; rm "+minerPath)
	r := demineIn(t, h, 1, "contain")
	says(t, "contain", r.Stdout, "clients are connected to minerd ("+server+"): whether it may be stopped is for its owner to say")
	if got := states(t, h, "-p "+server); strings.ContainsAny(got, "TZ") || got == "" {
		t.Errorf("a serving miner is %q", got)
	}
	dryRun(t, h, "clean").lacks(t, "process.freeze", "process.kill")
}

// checkOperatorsWay: where the operator is logged in from, the door stays open, and SSH is no door at all.
func checkOperatorsWay(t *testing.T, h *Host) {
	c, err := h.Hold(t.Context(), OperatorV4, HostV4, DoorPort)
	if err != nil {
		t.Fatal(err)
	}
	says(t, "contain", operator(t, h, "contain", 0), "Shut tcp port 6380")
	if how, err := c.Ping(t.Context()); err != nil || how != "PONG" {
		t.Errorf("contained, and the operator's connection is %s (%v)", how, err)
	}
	for from, want := range map[string]bool{OperatorV4: true, DeveloperV4: false, IntruderV4: false} {
		if open, how, err := h.Knock(t.Context(), from, HostV4, DoorPort); err != nil || open != want {
			t.Errorf("contained, and the door is %s from %s (%v)", how, from, err)
		}
	}
	for _, from := range []string{OperatorV4, DeveloperV4} {
		if r, err := h.Outside(t.Context(), sshArgs(from, "owner", "root@"+HostV4, "true")...); err != nil || r.Exit != 0 {
			t.Errorf("contained, and ssh from %s: exit %d %v %s", from, r.Exit, err, r.Stderr)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
	undoAll(t, h, journal(t, h)[:1])
}

// checkOperatorsKey: the operator has come in with the key that is accused.
func checkOperatorsKey(t *testing.T, h *Host) {
	before := stateOf(t, h)
	r, err := h.Outside(t.Context(), sshArgs(OperatorV4, "intruder", "root@"+HostV4, "/root/demine clean --yes --no-wait")...)
	if err != nil || r.Exit != 0 {
		t.Fatalf("exit %d, %v: %s%s", r.Exit, err, r.Stdout, r.Stderr)
	}
	says(t, "clean", r.Stdout, "stays: somebody logged in with it from where you are now")
	for _, d := range Diff(State{"file " + keysFile: before["file "+keysFile]}, State{"file " + keysFile: stateOf(t, h)["file "+keysFile]}) {
		t.Error(d)
	}
	undoAll(t, h, journal(t, h)[:1])
	mine(t, h)
}

// checkLastKey: the accused key is the only way in to the account.
func checkLastKey(t *testing.T, h *Host) {
	inside(t, h, "cp -a "+keysFile+" /root/keys.was; grep -av wang@office /root/keys.was > "+keysFile)
	only := inside(t, h, "sha256sum "+keysFile)
	leaves(t, h, "clean", "refuse.key.last", "is the only one with which root can log in").lacks(t, "key.remove-line")
	demineIn(t, h, 0, "clean", "--yes", "--no-wait")
	if now := inside(t, h, "sha256sum "+keysFile); now != only {
		t.Errorf("the last key's file was %s, is %s", only, now)
	}
	r, err := h.Outside(t.Context(), sshArgs(OperatorV4, "intruder", "root@"+HostV4, "true")...)
	if err != nil || r.Exit != 0 {
		t.Errorf("nobody can log in any more: exit %d, %v: %s", r.Exit, err, r.Stderr)
	}
}
