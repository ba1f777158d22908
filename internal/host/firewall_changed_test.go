package host

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// What changes while it is read is read whole, or a gap says that it is not: an
// element that goes makes the kernel pass over another one.
func TestElementsThatChange(t *testing.T) {
	l := newLab(t)
	const stay, move, looks = 2000, 400, 300
	list := func(net byte, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "10.%d.%d.%d,", net, i/100, 1+i%100*2) // none beside another
		}
		return "{ " + strings.TrimSuffix(b.String(), ",") + " }"
	}
	l.nft("table ip t {\nset s { type ipv4_addr; elements = " + list(1, stay) + "; }\n" +
		"chain c { type filter hook input priority 0; ip saddr @s drop; }\n}\n")
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			for _, what := range []string{"add", "delete"} {
				select {
				case <-done:
					return
				default:
					l.nft(what + " element ip t s " + list(2, move))
				}
			}
		}
	}()
	whole := 0
	for range looks {
		l.in(l.host, func() {
			sets, gaps := ReadFirewall(context.Background())
			if len(gaps) > 0 {
				return
			}
			whole++
			got := 0
			for _, p := range sets[0].Chains[0].Rules[0].Src {
				if netip.MustParsePrefix("10.1.0.0/16").Contains(p.Addr()) {
					got++
				}
			}
			if got != stay {
				t.Errorf("%d of %d elements, and no gap", got, stay)
			}
		})
	}
	close(done)
	<-stopped
	if whole == 0 {
		t.Error("no look was whole")
	}
}

// nft runs a script in the host.
func (l *lab) nft(script string) {
	c := exec.Command("ip", "netns", "exec", l.host, "nft", "-f", "-")
	c.Stdin = strings.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		l.t.Errorf("nft: %v\n%s", err, out)
	}
}
