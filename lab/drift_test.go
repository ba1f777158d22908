//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
)

// openRule is what `demine lease audit --json` says of a rule.
type openRule struct {
	ID, Chain, Text, Kept, Known, Drift, Lease, Service, Finding string
	By                                                           []struct{ User, Text, Source string }
}

// TestDrift: an opening that somebody typed is told with who and since when, becomes a lease or is closed, and
// firewalld's timed rule that --runtime-to-permanent made stay is found; what the host is kept by is left alone.
func TestDrift(t *testing.T) {
	h := withProduct(t, Config{Name: "drift", Scenario: "quiet", NoLoad: true, Firewall: IptablesNft})
	t.Run("typed and saved", func(t *testing.T) { adopted(t, h) })
	t.Run("through sudo", func(t *testing.T) { sudoed(t, h) })
	t.Run("firewalld", func(t *testing.T) { madePermanent(t, h) })
}

// drifted are the rules that nobody answers for, whatever else lets others in.
func drifted(t *testing.T, h *Host) (out []openRule) {
	t.Helper()
	var a struct{ Openings []openRule }
	text := demineIn(t, h, -1, "lease", "audit", "--json").Stdout
	parse(t, text, &a)
	for _, o := range a.Openings {
		if o.Finding != "" {
			out = append(out, o)
		}
	}
	if len(a.Openings) == 0 {
		t.Errorf("no rule is told of\n%s", text)
	}
	return out
}

// adopted: the incident's opening, of IPv4, is told of; as a lease it lets in the one who is named.
func adopted(t *testing.T, h *Host) {
	found := drifted(t, h)
	if len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	o := found[0]
	if o.Drift != "typed" || o.Kept != "saved" || o.Known != "command" || len(o.By) != 1 || o.By[0].User != "root" || !strings.Contains(o.Text, "6380") {
		t.Errorf("%+v", o)
	}
	knocks(t, h, 6380, map[string]bool{OperatorV4: true, IntruderV4: true})
	demineIn(t, h, 1, "lease", "adopt", o.ID, "--from", OperatorV4, "--who", "order-team", "--why", "drift", "--yes") // no password
	if runs := demineIn(t, h, -1, "history").Stdout; strings.Contains(runs, "R1") {
		t.Errorf("the lease was refused after something was changed:\n%s", runs)
	}
	demineIn(t, h, 1, "lease", "adopt", o.ID, "--from", OperatorV4, "--who", "order-team", "--why", "drift", "--dry-run")
	plan := demineIn(t, h, 0, "lease", "adopt", o.ID, "--from", OperatorV4, "--who", "order-team", "--why", "drift", "--without-password", "--dry-run").Stdout
	if strings.Count(plan, "O-") != 2 {
		t.Errorf("that the port stays open over IPv6 is not told:\n%s", plan)
	}
	knocks(t, h, 6380, map[string]bool{IntruderV4: true})
	demineIn(t, h, 0, "lease", "adopt", o.ID, "--from", OperatorV4, "--for", "10m", "--who", "order-team", "--why", "drift",
		"--without-password", "--yes")
	knocks(t, h, 6380, map[string]bool{OperatorV4: true, IntruderV4: false})
	if text := inside(t, h, "cat /etc/iptables/rules.v4"); strings.Contains(text, "6380") || !strings.Contains(text, "8080") {
		t.Errorf("saved:\n%s", text)
	}
	if left := drifted(t, h); len(left) != 0 {
		t.Errorf("adopted, and still %+v", left)
	}
	if text := demineIn(t, h, -1, "exposure").Stdout; !strings.Contains(text, "L-") {
		t.Errorf("exposure does not tell of the lease:\n%s", text)
	}
}

// sudoed: what sudo logged tells who; a rule that was never saved is closed by its name, and undo brings it back.
func sudoed(t *testing.T, h *Host) {
	const rule = "/usr/sbin/iptables -I INPUT 3 -s " + IntruderV4 + " -p tcp --dport 8081 -j ACCEPT"
	inside(t, h, rule+`
printf '%s shop01 sudo:     ops : TTY=pts/0 ; PWD=/home/ops ; USER=root ; COMMAND=%s\n' "$(date +%Y-%m-%dT%H:%M:%S.000000%:z)" '`+rule+`' >> /var/log/auth.log`)
	found := drifted(t, h)
	if len(found) != 1 || found[0].Drift != "typed" || found[0].Kept == "saved" || len(found[0].By) != 1 || found[0].By[0].User != "ops" {
		t.Fatalf("%+v", found)
	}
	before := inside(t, h, "iptables-save | grep -v '^[#:]'")
	demineIn(t, h, 0, "lease", "close", found[0].ID, "--yes")
	if text := inside(t, h, "iptables-save"); strings.Contains(text, "8081") {
		t.Errorf("closed:\n%s", text)
	}
	demineIn(t, h, 0, "undo", "--reopen", "--host", "shop01")
	if after := inside(t, h, "iptables-save | grep -v '^[#:]'"); after != before {
		t.Errorf("undone:\n%s\nbefore:\n%s", after, before)
	}
}

// madePermanent: the trap of firewalld.
func madePermanent(t *testing.T, h *Host) {
	inside(t, h, "systemctl stop iptables.service || true\n"+setups(h.Config.Firewall).flush)
	rich := fmt.Sprintf(`firewall-cmd --add-rich-rule='rule family="ipv4" source address="%s" port port="8080" protocol="tcp" accept' --timeout=8h`, IntruderV4)
	inside(t, h, "systemctl start firewalld; "+rich+"\nprintf '#%s\\n%s\\n' $(date +%s) \""+strings.ReplaceAll(rich, `"`, `\"`)+"\" >> /root/.bash_history")
	if found := drifted(t, h); len(found) != 0 {
		t.Errorf("firewalld takes it back: %+v", found)
	}
	knocks(t, h, 8080, map[string]bool{IntruderV4: true, OperatorV4: false})
	inside(t, h, "firewall-cmd --runtime-to-permanent")
	found := drifted(t, h)
	if len(found) != 1 || found[0].Drift != "outlived" || found[0].Kept != "saved" {
		t.Fatalf("%+v\n%s", found, inside(t, h, "cat /etc/firewalld/zones/public.xml"))
	}
	demineIn(t, h, 0, "lease", "close", found[0].ID, "--yes")
	demineIn(t, h, 0, "keep")
	knocks(t, h, 8080, map[string]bool{IntruderV4: false})
	inside(t, h, "firewall-cmd --reload")
	knocks(t, h, 8080, map[string]bool{IntruderV4: false})
	if left := drifted(t, h); len(left) != 0 {
		t.Errorf("closed, and still %+v", left)
	}
}

func knocks(t *testing.T, h *Host, port int, want map[string]bool) {
	t.Helper()
	for from, in := range want {
		open, how, err := h.Knock(t.Context(), from, HostV4, port)
		if err != nil {
			t.Fatal(err)
		}
		if open != in {
			t.Errorf("%d from %s: %s, want open %v", port, from, how, in)
		}
	}
}
