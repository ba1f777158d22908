//go:build lab

package lab

import (
	"fmt"
	"testing"
)

// TestLookAlikes and TestTwins prove that each side of the table is there and lives, and that the shop still sells.
func TestLookAlikes(t *testing.T) {
	checkTable(t, boot(t, Config{Name: "test-lookalikes", Scenario: "lookalikes"}), false)
}

func TestTwins(t *testing.T) {
	checkTable(t, boot(t, Config{Name: "test-twins", Scenario: "twins", Cron: Debian, Firewall: Nft}), true)
}

func checkTable(t *testing.T, h *Host, twin bool) {
	t.Helper()
	want := 0
	for _, l := range lookAlikes() {
		if p := map[bool]planting{false: l.plant, true: l.twin}[twin]; !p.zero() {
			want++
		}
	}
	if got := len(h.Facts.Planted); got != want {
		t.Errorf("planted %d, want %d", got, want)
	}
	for _, p := range h.Facts.Planted {
		if len(p.Files)+len(p.PIDs)+len(p.Cron) == 0 {
			t.Errorf("%s: no fact to find it by", p.Name)
		}
		for _, f := range p.Files {
			inside(t, h, "test -e '"+f+"'")
		}
		for _, pid := range p.PIDs {
			inside(t, h, fmt.Sprintf("kill -0 %d", pid))
		}
	}
	inside(t, h, "curl -fsS http://127.0.0.1:8080/health; sshd -t")
	if failed := inside(t, h, "systemctl --failed --no-legend"); failed != "" {
		t.Errorf("units failed: %s", failed)
	}
}
