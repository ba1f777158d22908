//go:build lab

package lab

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestReboot: after a power cut a host is what it was, by all that State looks at; each change to it shows; and what
// is open from outside is told apart from what is not.
func TestReboot(t *testing.T) {
	h := boot(t, Config{Name: "l-reboot", Scenario: "quiet"})
	before := look(t, h)
	t.Run("power cut", func(t *testing.T) { checkReboot(t, h, before) })
	t.Run("changes", func(t *testing.T) { checkChanges(t, h) })
	t.Run("knock", func(t *testing.T) { checkKnock(t, h) })
	t.Run("orderly", func(t *testing.T) { checkOrderly(t, h) })
}

func look(t *testing.T, h *Host) State {
	t.Helper()
	s, err := h.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func bootOf(t *testing.T, h *Host) string {
	t.Helper()
	return inside(t, h, "cat /proc/sys/kernel/random/boot_id")
}

func checkReboot(t *testing.T, h *Host, before State) {
	old := bootOf(t, h)
	held := hold(t, h, IntruderV4, HostV4)
	inside(t, h, "touch /run/passing /dev/shm/passing")
	zone := inside(t, h, "date +%z")
	cut := time.Now()
	if err := h.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := bootOf(t, h); now == old || now != h.Facts.BootID {
		t.Errorf("boot %s after %s, facts say %s", now, old, h.Facts.BootID)
	}
	if d := Diff(before, look(t, h)); d != nil {
		t.Errorf("the power cut changed:\n%s", strings.Join(d, "\n"))
	}
	inside(t, h, "! test -e /run/passing && ! mount | grep -v tmpfs | grep ' /run '")
	if now := inside(t, h, "date +%z"); now != zone {
		t.Errorf("zone %s, was %s", now, zone)
	}
	checkDoor(t, h)
	if how, err := held.Ping(t.Context()); err != nil || how != "closed" {
		t.Errorf("a connection from before the power cut: %s, %v", how, err)
	}
	served(t, h, cut)
}

// served waits for a second in which no order fails.
func served(t *testing.T, h *Host, since time.Time) {
	t.Helper()
	err := until(t.Context(), 20*time.Second, "orders to go through again", func() error {
		all, err := h.Waits(t.Context())
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(w Wait) bool { return w.At.After(since) && w.Failed > 0 }) {
			return fmt.Errorf("customers have not noticed the reboot")
		}
		if last := all[len(all)-1]; last.Failed > 0 || last.Orders == 0 {
			return fmt.Errorf("%+v", last)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// changes are each one thing to State.
var changes = []struct{ do, undo, want string }{
	{"touch /root/new", "rm /root/new", "file /root/new: new: regular; mode 0644"},
	{"mkdir /dev/shm/d", "rmdir /dev/shm/d", "file /dev/shm/d: new: directory; mode 0755"},
	{"mv /usr/bin/wall /root/wall", "mv /root/wall /usr/bin/wall", "file /usr/bin/wall: new: gone"},
	{"true", "true", "file /root/wall: new: regular"},
	{"chmod 4755 /usr/bin/nice", "chmod 755 /usr/bin/nice", "file /usr/bin/nice: new: regular; mode 4755"},
	{"chmod 4755 /opt/shop/sale", "chmod 755 /opt/shop/sale", "file /opt/shop/sale: was [mode 0755], is [mode 4755]"},
	{"chown lin /etc/shop", "chown root /etc/shop", "file /etc/shop: was [owner 0:0], is [owner 1100:0]"},
	{"echo >> /etc/crontab", "sed -i '$d' /etc/crontab", "file /etc/crontab: was [sha256 "},
	{"chattr +i /etc/shop/shop.env", "chattr -i /etc/shop/shop.env", "file /etc/shop/shop.env: was [], is [immutable]"},
	{"chattr +a /var/spool/cron", "chattr -a /var/spool/cron", "file /var/spool/cron: was [], is [append only]"},
	{"ln -s /etc/shadow /tmp/l", "rm /tmp/l", `file /tmp/l: new: link; mode 0777; owner 0:0; to "/etc/shadow"`},
	{"iptables -A INPUT -s 192.0.2.1 -j DROP", "iptables -D INPUT -s 192.0.2.1 -j DROP",
		"firewall iptables-legacy: was [], is [-A INPUT -s 192.0.2.1/32 -j DROP]"},
	{"nft add table inet lab", "nft delete table inet lab", "firewall nft: was [], is [table inet lab {; }]"},
	{"systemctl stop -q rc-local.service", "systemctl start rc-local.service", "unit rc-local.service: no more: active exited"},
	{"redis-cli -p 6380 SET k v PX 9000000", "redis-cli -p 6380 DEL k", `redis 6380 key 0 "k": new: string; sha256 `},
	{"redis-cli -p 6380 CONFIG SET maxclients 99", "redis-cli -p 6380 CONFIG SET maxclients 10000",
		"redis 6380 setting maxclients: was [10000], is [99]"},
}

// checkChanges: each is seen, and nothing else is; undone, nothing is left.
func checkChanges(t *testing.T, h *Host) {
	before := look(t, h)
	// Debian's attr package is not on every machine.
	file := fmt.Sprintf("/proc/%d/root/opt/shop/deploy.sh", h.Inside.PID)
	if err := unix.Setxattr(file, "user.lab", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		inside(t, h, c.do)
	}
	d := Diff(before, look(t, h))
	if want := `file /opt/shop/deploy.sh: was [], is [attribute user.lab "x"]`; !slices.Contains(d, want) {
		t.Errorf("%q is not seen", want)
	}
	for _, c := range changes {
		if !slices.ContainsFunc(d, func(line string) bool { return strings.HasPrefix(line, c.want) }) {
			t.Errorf("%s: %q is not seen", c.do, c.want)
		}
	}
	if len(d) != len(changes)+1 {
		t.Errorf("%d changes are seen as %d:\n%s", len(changes)+1, len(d), strings.Join(d, "\n"))
	}
	for _, c := range changes {
		inside(t, h, c.undo)
	}
	if err := unix.Removexattr(file, "user.lab"); err != nil {
		t.Fatal(err)
	}
	if d := Diff(before, look(t, h)); d != nil {
		t.Errorf("left is:\n%s", strings.Join(d, "\n"))
	}
}

func hold(t *testing.T, h *Host, from, to string) *Held {
	t.Helper()
	held, err := h.Hold(t.Context(), from, to, DoorPort)
	if err != nil {
		t.Fatal(err)
	}
	if how, err := held.Ping(t.Context()); err != nil || how != "PONG" {
		t.Fatalf("a held connection: %s, %v", how, err)
	}
	return held
}

// checkKnock: who gets in, how the others are kept out, and what becomes of a connection that was there before.
func checkKnock(t *testing.T, h *Host) {
	knock := func(from, to string, port int, want string) {
		t.Helper()
		open, how, err := h.Knock(t.Context(), from, to, port)
		if err != nil || how != want || open != strings.HasPrefix(want, "open") {
			t.Errorf("%s to %s port %d: %v %q, %v; want %q", from, to, port, open, how, err, want)
		}
	}
	knock(IntruderV4, HostV4, DoorPort, "open: PONG")
	knock(IntruderV6, HostV6, DoorPort, "open: PONG")
	knock(Customers[0], HostV4, 8080, "open")
	knock(OperatorV6, HostV6, 3306, "open")
	knock(DeveloperV4, HostV4, 3306, "timeout")
	held := hold(t, h, DeveloperV6, HostV6)
	for _, tool := range []string{"iptables", "ip6tables"} {
		inside(t, h, tool+" -R INPUT 5 -p tcp --dport 6380 -j REJECT --reject-with tcp-reset")
	}
	knock(IntruderV4, HostV4, DoorPort, "refused")
	if how, err := held.Ping(t.Context()); err != nil || how != "PONG" {
		t.Errorf("a connection from before: %s, %v", how, err)
	}
	inside(t, h, "ip6tables -I INPUT 1 ! -i lo -p tcp --dport 6380 -j DROP")
	if how, err := held.Ping(t.Context()); err != nil || how != "timeout" {
		t.Errorf("a connection from before, dropped: %s, %v", how, err)
	}
	if err := held.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// checkOrderly: Redis saves, and the firewall comes back as its files have it.
func checkOrderly(t *testing.T, h *Host) {
	inside(t, h, "redis-cli -p 6380 SET kept yes")
	if err := h.RebootOrderly(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := inside(t, h, "redis-cli -p 6380 GET kept"); got != "yes" {
		t.Errorf("Redis has not saved: %q", got)
	}
	checkDoor(t, h)
}
