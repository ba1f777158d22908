//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// posture is what is truly open or weak on every host of the lab: the forgotten port, for both families, the rule that
// somebody typed for it, and the way the dev team set up its Redis.
var posture = map[string]int{"redis/open": 2, "redis/as-root": 1, "redis/protected-configs": 1, "exposure/opening-unleased": 1}

// TestQuiet: a busy and honest host gives no attack finding, in any layout and with any packet filter; what is open is
// said; and the load is put down to what really causes it.
func TestQuiet(t *testing.T) {
	bin := product(t)
	for cron, kind := range map[Cron]Firewall{RHEL: IptablesNft, Busybox: IptablesLegacy, Debian: Nft} {
		t.Run(string(cron), func(t *testing.T) {
			h := boot(t, Config{Name: "quiet-" + string(cron), Scenario: "quiet", Cron: cron, Firewall: kind})
			if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
				t.Fatal(err)
			}
			s := examine(t, h)
			checkSilent(t, s, posture)
			if s.Load.Cause == "miner" {
				t.Errorf("load: %+v", s.Load)
			}
			if cron == RHEL {
				checkOperator(t, h)
				checkOldKernel(t, h)
				checkLoad(t, h)
			}
		})
	}
}

// TestLookAlikesLeftAlone: nothing that only looks like an attack is called one.
func TestLookAlikesLeftAlone(t *testing.T) {
	bin := product(t)
	for cron, kind := range map[Cron]Firewall{RHEL: IptablesLegacy, Debian: Nft} {
		t.Run(string(cron), func(t *testing.T) {
			h := boot(t, Config{Name: "alike-" + string(cron), Scenario: "lookalikes", Cron: cron, Firewall: kind})
			if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
				t.Fatal(err)
			}
			want := maps.Clone(posture)
			want["redis/as-root"]++               // the second Redis, started by root in /root
			want["evasion/library-uninstalled"]++ // the logger that was built from source, in ld.so.preload
			checkSilent(t, examine(t, h), want)
		})
	}
}

// checkSilent: no attack finding, exactly this posture, and the verdict that says so.
func checkSilent(t *testing.T, s scan, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for _, f := range s.Findings {
		if f.Class == "attack" {
			t.Errorf("accused: %+v", f)
			continue
		}
		got[f.Rule]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("posture %v, want %v", got, want)
	}
	if s.Verdict != "nothing-found" || s.Exit != 0 || len(s.Incidents) != 0 {
		t.Errorf("verdict %s, exit %d, %d incidents", s.Verdict, s.Exit, len(s.Incidents))
	}
}

// checkOperator: run over ssh, demine says from where.
func checkOperator(t *testing.T, h *Host) {
	t.Helper()
	r, err := h.Outside(t.Context(), sshArgs(OperatorV4, "owner", "root@"+HostV4, "SSH_CONNECTION='1.2.3.4 1 5.6.7.8 22' /root/demine scan --json")...)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%q: %q", "peer", OperatorV4); !strings.Contains(r.Stdout, want) {
		t.Errorf("exit %d: the operator's address is not %s: %s", r.Exit, want, r.Stderr)
	}
}

// checkOldKernel: without the system calls that came after CentOS 7's kernel 3.10, demine says the same.
func checkOldKernel(t *testing.T, h *Host) {
	t.Helper()
	const after310 = "statx,openat2,faccessat2,clone3,rseq,getrandom,copy_file_range,memfd_create,execveat,pidfd_open,open_tree,io_uring_setup,bpf"
	r, err := h.Run(t.Context(), "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace="+after310, "-e", "inject="+after310+":error=ENOSYS",
		"/root/demine", "scan", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var s scan
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatalf("exit %d, %v: %s%s", r.Exit, err, r.Stdout, r.Stderr)
	}
	checkSilent(t, s, posture)
}

// checkLoad: programs that keep the CPUs busy are named as the cause.
func checkLoad(t *testing.T, h *Host) {
	t.Helper()
	if err := h.CopyIn(t.Context(), filepath.Join(h.Folder, "bin", "idle"), "/opt/lab-report"); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		inside(t, h, fmt.Sprintf("systemd-run -q --unit report%d /opt/lab-report -percent 100", i))
	}
	err := until(t.Context(), 20*time.Second, "the load to be put down to the programs", func() error {
		s := examine(t, h)
		named := len(s.Load.By) > 0 && strings.HasPrefix(s.Load.By[0].Name, "lab-report")
		if !named || !slices.Contains([]string{"cpu", "steal"}, s.Load.Cause) {
			return fmt.Errorf("load %+v", s.Load)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
