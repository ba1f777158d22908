//go:build lab

package lab

import (
	"strings"
	"testing"
)

// TestLeaseTold: how a lease is used, whether its trail is whole, and what would bring it back after a boot, on a host
// with a system log and real connections.
func TestLeaseTold(t *testing.T) {
	h := withProduct(t, Config{Name: "told", Scenario: "quiet", NoLoad: true, Firewall: Nft})
	if err := h.lay(t.Context(), "/etc/systemd/system/guarded@.service", guardedRedis); err != nil {
		t.Fatal(err)
	}
	inside(t, h, "systemctl daemon-reload; systemctl start guarded@6397")
	if err := h.listens(t.Context(), 6397); err != nil {
		t.Fatal(err)
	}
	refused := demineIn(t, h, 1, openArgs(6380)...).Stderr // the incident's Redis asks for no password
	if !strings.Contains(refused, "demine harden --redis-password") || !strings.Contains(refused, "ssh -L 6380:127.0.0.1:6380 ") {
		t.Errorf("not told how it goes without an opening:\n%s", refused)
	}
	l := lease(t, h, 6397)
	holdAt(t, h, 6397)
	if n := usedBy(t, h, l.ID); n != 1 {
		t.Errorf("%d connections, one is there", n)
	}
	t.Run("trail", func(t *testing.T) { trailTold(t, h) })
	t.Run("saved", func(t *testing.T) { savedTold(t, h) })
}

func usedBy(t *testing.T, h *Host, id string) int {
	t.Helper()
	var a struct {
		Leases []struct {
			ID          string
			Connections *int
		}
	}
	text := demineIn(t, h, 0, "lease", "ls", "--json").Stdout
	parse(t, text, &a)
	for _, l := range a.Leases {
		if l.ID == id && l.Connections != nil {
			return *l.Connections
		}
	}
	t.Fatalf("not told of %s:\n%s", id, text)
	return 0
}

// trailTold: the system log has every line of it, and tells of those that were cut off.
func trailTold(t *testing.T, h *Host) {
	type check struct {
		Logged int
		In     bool `json:"in_log"`
		Gaps   []struct {
			Kind  string
			Lines int
		}
	}
	var whole, cut, gone check
	text := demineIn(t, h, 0, "lease", "log", "--json").Stdout
	if parse(t, text, &whole); whole.Logged < 2 || !whole.In || len(whole.Gaps) > 0 {
		t.Errorf("whole: %+v", whole)
	}
	var journal check
	inside(t, h, "mkdir /root/text; mv /var/log/auth.log* /root/text")
	parse(t, demineIn(t, h, 0, "lease", "log", "--json").Stdout, &journal)
	if journal.Logged != whole.Logged || !journal.In {
		t.Errorf("by the journal alone: %+v", journal)
	}
	inside(t, h, "mv /root/text/* /var/log")
	inside(t, h, "cd /var/lib/demine/leases; cp -a trail kept; head -n -1 kept > trail")
	parse(t, demineIn(t, h, 1, "lease", "log", "--json").Stdout, &cut)
	if len(cut.Gaps) != 1 || cut.Gaps[0].Kind != "log" || cut.Gaps[0].Lines != 1 {
		t.Errorf("cut off: %+v", cut)
	}
	inside(t, h, "rm /var/lib/demine/leases/trail")
	parse(t, demineIn(t, h, 1, "lease", "log", "--json").Stdout, &gone)
	if len(gone.Gaps) != 2 || gone.Gaps[0].Kind != "gone" || gone.Gaps[1].Lines != whole.Logged {
		t.Errorf("gone: %+v", gone)
	}
	inside(t, h, "cd /var/lib/demine/leases; mv kept trail")
}

// savedTold: a ruleset that was saved meanwhile is told of, by the keeper too, and the line that is told takes it out.
func savedTold(t *testing.T, h *Host) {
	inside(t, h, "cp -a /etc/nftables.conf /root/kept; nft list ruleset > /etc/nftables.conf")
	var a struct {
		Saved []struct {
			File    string
			TakeOut string `json:"take_out"`
		}
	}
	parse(t, demineIn(t, h, 0, "lease", "ls", "--json").Stdout, &a)
	if len(a.Saved) != 1 || a.Saved[0].File != "/etc/nftables.conf" {
		t.Fatalf("%+v", a)
	}
	if text := demineIn(t, h, -1, "scan", "--json").Stdout; !strings.Contains(text, `"exposure/lease-saved"`) {
		t.Error("a scan does not tell of it")
	}
	inside(t, h, a.Saved[0].TakeOut+" && nft -c -f /etc/nftables.conf && ! grep -q demine_lease /etc/nftables.conf")
	inside(t, h, "mv /root/kept /etc/nftables.conf")
}
