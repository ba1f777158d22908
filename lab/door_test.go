//go:build lab

package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// listening is what `demine exposure --json` says of a listener.
type listening struct {
	Listener, From, V4, V6, Because, Service, Container, Image string
	Port                                                       int
	Sources                                                    []netip.Prefix
	Published                                                  []string
}

// TestDoors: behind ufw and firewalld, and behind ports that a real Docker publishes around them, demine says of every
// listener who reaches it, and connections from outside agree.
func TestDoors(t *testing.T) {
	h := withProduct(t, Config{Name: "door-all", Scenario: "quiet", NoLoad: true})
	inside(t, h, "systemctl stop iptables.service || true\n"+setups(h.Config.Firewall).flush)
	t.Run("ufw", func(t *testing.T) {
		inside(t, h, `ufw default deny incoming; ufw allow 22/tcp
ufw allow from `+OfficeNetV4+` to any port 6380 proto tcp; ufw allow from `+OfficeNetV6+` to any port 6380 proto tcp; ufw --force enable`)
		agree(t, h, map[int]string{6380: "some", 8080: "nobody"})
	})
	t.Run("docker", func(t *testing.T) { publish(t, h) })
	t.Run("firewalld", func(t *testing.T) {
		inside(t, h, "docker rm -f cache; kill $(cat /run/docker.pid); ufw --force disable; "+setups(h.Config.Firewall).flush)
		inside(t, h, "systemctl start firewalld; firewall-cmd --add-port=8080/tcp")
		agree(t, h, map[int]string{6380: "nobody", 8080: "anywhere"})
	})
}

// publish runs a container with a published port: ufw, which denies it, stands on another way.
func publish(t *testing.T, h *Host) {
	inside(t, h, `mkdir -p /var/lib/docker /srv/image && mount -t tmpfs tmpfs /var/lib/docker && cp /bin/busybox /srv/image/
setsid dockerd --storage-driver=vfs </dev/null >/var/log/dockerd 2>&1 &`)
	err := until(t.Context(), time.Minute, "Docker", func() error {
		r, err := h.Run(t.Context(), "docker", "info")
		if err == nil && r.Exit != 0 {
			err = fmt.Errorf("%s", r.Stderr)
		}
		return err
	})
	if err != nil {
		r, _ := h.Run(t.Context(), "tail", "-n", "5", "/var/log/dockerd")
		t.Fatalf("%v\n%s", err, r.Stdout)
	}
	inside(t, h, `tar -C /srv/image -c . | docker import - shop/cache:7
docker run -d --name cache -p 16379:6379 shop/cache:7 /busybox httpd -f -p 6379`)
	found := agree(t, h, map[int]string{6379: "anywhere", 6380: "some"})
	c := found[6379]
	if c.Container != "cache" || c.Image != "shop/cache:7" || !slices.Contains(c.Published, "0.0.0.0:16379") {
		t.Errorf("the container: %+v", c)
	}
	if text := demineIn(t, h, -1, "exposure").Stdout; !strings.Contains(text, "0.0.0.0:16379") || strings.Contains(text, "docker-proxy") {
		t.Errorf("exposure says\n%s", text)
	}
	inside(t, h, "iptables -I DOCKER-USER -p tcp -m conntrack --ctorigdstport 16379 --ctdir ORIGINAL -j DROP")
	agree(t, h, map[int]string{6380: "some"})
	inside(t, h, "iptables -I DOCKER-USER -i eth0 -j DROP")
	agree(t, h, map[int]string{6379: "nobody"})
}

// agree knocks at every listener that other hosts may reach, from outside and from the office, and wants the answer that
// demine predicts; of some ports it is named.
func agree(t *testing.T, h *Host, want map[int]string) map[int]listening {
	t.Helper()
	var s struct{ Exposure []listening }
	text := demineIn(t, h, -1, "exposure", "--json").Stdout
	parse(t, text, &s)
	found := map[int]listening{}
	for _, e := range s.Exposure {
		if e.From == "local" || !strings.HasPrefix(e.Listener, "tcp ") {
			continue
		}
		found[e.Port] = e
		if w := want[e.Port]; w != "" && e.From != w {
			t.Errorf("%s (%s): from %q (%s), want %q", e.Listener, e.Service, e.From, e.Because, w)
		}
		port := e.Port
		if len(e.Published) > 0 {
			at, err := netip.ParseAddrPort(e.Published[0])
			if err != nil {
				t.Fatal(err)
			}
			port = int(at.Port())
		} else if e.Container != "" {
			continue
		}
		if want[e.Port] != "" { // the others' knocks would wait long to say the same
			h.knockAll(t, e, port)
		}
	}
	for p := range want {
		if _, ok := found[p]; !ok {
			t.Errorf("no listener on %d is told", p)
		}
	}
	if t.Failed() {
		t.Log(inside(t, h, "iptables-save; ip6tables-save; nft list ruleset 2>/dev/null | head -150"))
		keep(t, h, text)
	}
	return found
}

func (h *Host) knockAll(t *testing.T, e listening, port int) {
	t.Helper()
	for _, k := range []struct{ from, to, says string }{{IntruderV4, HostV4, e.V4}, {OperatorV4, HostV4, e.V4}, {IntruderV6, HostV6, e.V6}, {OperatorV6, HostV6, e.V6}} {
		open, how, err := h.Knock(t.Context(), k.from, k.to, port)
		if err != nil {
			t.Fatal(err)
		}
		from := netip.MustParseAddr(k.from)
		in := slices.ContainsFunc(e.Sources, func(p netip.Prefix) bool { return p.Contains(from) })
		switch {
		case k.says == "": // nobody listens there
		case k.says == "cannot-tell":
			t.Errorf("%s: cannot tell for %s (%s)", e.Listener, k.from, e.Because)
		case k.says == "some" && from.Is6() != e.Sources[0].Addr().Is6(): // those of the other family are named
		case open != (k.says == "anywhere" || k.says == "some" && in):
			t.Errorf("%s from %s: demine says %q %v, the knock %s", e.Listener, k.from, k.says, e.Sources, how)
		}
	}
}
