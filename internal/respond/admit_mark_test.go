package respond

import (
	"strings"
	"testing"
	"time"
)

// Who begins to use the bit of leases is told: who keeps it with connections that
// come in, in the words of every tool, and who routes by it.
func TestMarkTaken(t *testing.T) {
	for _, c := range []struct{ command, stdin, want string }{
		{"iptables-legacy -t mangle -A POSTROUTING -j CONNMARK --save-mark --mask 0x300", "", "--save-mark --nfmask 0x300"},
		{"ip6tables-nft -t mangle -A INPUT -j CONNMARK --save-mark", "", "--save-mark --nfmask 0xffffffff"},
		{"nft -f -", postrouting("ct mark set meta mark and 0x00000100"), "ct mark set meta mark & 0x00000100"},
		{"nft -f -", postrouting("meta mark set meta mark or 1 ct mark set mark"), "ct mark set"},
		{"ip rule add fwmark 0x100/0x300 table 7", "", "ip rule fwmark 0x100/0x300"},
		{"ip -6 rule add not fwmark 0x100 table 7", "", "ip rule fwmark 0x100/0xffffffff"},

		{"iptables-legacy -t mangle -A POSTROUTING -m mark --mark 51820 -j CONNMARK --save-mark", "", ""},
		{"iptables-nft -t mangle -A PREROUTING -j CONNMARK --save-mark", "", ""},
		{"nft -f -", postrouting("ct mark set meta mark and 0x000000ff"), ""},
		{"nft -f -", postrouting("meta mark set 1 ct mark set mark"), ""},
		{"nft -f -", postrouting("ct mark set 0x100"), ""},
		{"ip rule add fwmark 0x200/0x200 table 7", "", ""},
	} {
		t.Run(c.command+c.stdin, func(t *testing.T) {
			t.Parallel()
			l, h := newFilterLab(t), leaseHosts()[0]
			h.load(l)
			l.admit(h, h.admission("L-4", labApp4+"/32", time.Hour))
			if by := l.admitted().Taken; by != "" {
				t.Fatalf("before: %q", by)
			}
			l.sh(c.command, c.stdin)
			if by := l.admitted().Taken; (by == "") != (c.want == "") || !strings.Contains(by, c.want) {
				t.Errorf("got %q, want %q", by, c.want)
			}
		})
	}
}

func postrouting(rule string) string {
	return "table ip other {\nchain post {\ntype filter hook postrouting priority 0;\n" + rule + "\n}\n}\n"
}
