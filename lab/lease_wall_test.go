//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
)

// wall is a packet filter as owners run it: on a host of its own, behind it ports that nobody outside may reach.
type wall struct {
	name   string
	kind   Firewall
	door   string // where the ports lead to
	put    string // script that takes the lab's own rules away and starts this filter, so that it starts at boot as well
	reload string // how the owner loads the filter anew
	saved  string // what an owner types to keep the rules of the moment, lease and all; empty: the filter has no such thing
	holds  string // succeeds when the filter is in force
	renews bool   // loading it anew ends what listens
}

// keepTables is what netfilter-persistent's plugins do, and what the lab's own unit loads at boot.
const keepTables = "iptables-save > /etc/iptables/rules.v4; ip6tables-save > /etc/iptables/rules.v6"

// walls are the filters that a lease must open, and find again after each of these.
var walls = []wall{
	{name: "nft", kind: Nft, reload: "nft -f /etc/nftables.conf", saved: "nft list ruleset > /etc/nftables.conf",
		holds: "nft list chain inet filter input | grep -q 'policy drop'"},
	{name: "iptables-legacy", kind: IptablesLegacy, reload: loadTables, saved: keepTables, holds: inputDrops},
	{name: "iptables-nft", kind: IptablesNft, reload: loadTables, saved: keepTables, holds: inputDrops},
	{name: "ufw", kind: IptablesNft, put: lift + `
ufw default deny incoming; ufw allow 22/tcp; ufw allow 8080/tcp; ufw allow 6380/tcp
ufw allow from ` + OfficeNetV4 + ` to any port 3306 proto tcp; ufw allow from ` + OfficeNetV6 + ` to any port 3306 proto tcp
ufw --force enable; ln -s /lib/systemd/system/ufw.service /etc/systemd/system/multi-user.target.wants/`,
		reload: "ufw reload", holds: "ufw status | grep -q '^Status: active' && " + inputDrops},
	{name: "firewalld", kind: IptablesNft, put: lift + `
systemctl enable -q firewalld; systemctl start firewalld
firewall-cmd -q --permanent --add-port=8080/tcp; firewall-cmd -q --permanent --add-port=6380/tcp
firewall-cmd -q --permanent --add-rich-rule='rule family=ipv4 source address=` + OfficeNetV4 + ` port port=3306 protocol=tcp accept'
firewall-cmd -q --permanent --add-rich-rule='rule family=ipv6 source address=` + OfficeNetV6 + ` port port=3306 protocol=tcp accept'
firewall-cmd -q --reload`,
		reload: "firewall-cmd -q --reload", saved: "firewall-cmd -q --runtime-to-permanent",
		holds: "firewall-cmd --state >/dev/null 2>&1 && nft list chain inet firewalld filter_INPUT | grep -q reject"},
	{name: "docker", kind: IptablesLegacy, door: "a container", put: `
mkdir -p /srv/image /etc/docker; cp /bin/busybox /srv/image/; echo '{"storage-driver": "vfs"}' > /etc/docker/daemon.json
systemctl enable -q docker; systemctl start docker; tar -C /srv/image -c . | docker import - shop/echo:1 >/dev/null
for p in 6397 6398 6399; do docker run -d --restart always --name echo$p -p $p:7 shop/echo:1 /busybox nc -ll -p 7 -e /busybox cat >/dev/null; done
iptables -I DOCKER-USER -i eth0 -j DROP
iptables -I DOCKER-USER -i eth0 -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
` + keepTables,
		reload: "systemctl restart docker", renews: true, saved: keepTables,
		holds: inputDrops + "; iptables -S DOCKER-USER | grep -q DROP; docker exec echo6399 /busybox true"},
}

const (
	inputDrops = "iptables -S INPUT | grep -qx -e '-P INPUT DROP'; ip6tables -S INPUT | grep -qx -e '-P INPUT DROP'"
	loadTables = "iptables-restore < /etc/iptables/rules.v4; ip6tables-restore < /etc/iptables/rules.v6"
)

// lift ends the lab's own rules, of iptables, for good.
var lift = "systemctl disable -q --now iptables.service\n" + setups(IptablesNft).flush

// leasedPorts answer to PING with a password asked for, or, in containers, with an echo.
var leasedPorts = []int{6397, 6398, 6399}

// guardedRedis is a Redis of the leased ports.
const guardedRedis = `[Unit]
Description=Redis %i, with a password

[Service]
ExecStart=/usr/bin/redis-server --port %i --bind "* -::*" --requirepass orders-2c1f9e --save ""

[Install]
WantedBy=multi-user.target
`

// behind builds a host with the filter and what listens behind it.
func behind(t *testing.T, w wall, bin string) *Host {
	t.Helper()
	h := boot(t, Config{Name: "lease-" + w.name, Scenario: "quiet", NoLoad: true, Firewall: w.kind})
	if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
		t.Fatal(err)
	}
	if w.door == "" {
		if err := h.lay(t.Context(), "/etc/systemd/system/guarded@.service", guardedRedis); err != nil {
			t.Fatal(err)
		}
		units := strings.Trim(strings.ReplaceAll(fmt.Sprint(leasedPorts), " ", " guarded@"), "[]")
		inside(t, h, "systemctl daemon-reload; systemctl enable -q --now guarded@"+units)
	}
	inside(t, h, w.put)
	for _, p := range leasedPorts {
		if err := h.listens(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	inside(t, h, w.holds)
	return h
}
