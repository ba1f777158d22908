package lab

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// The door is the fifth rule of INPUT in every kind: opened for the developer at home, and forgotten.
const (
	DoorPort     = 6380
	DoorPosition = 5
)

// rules of INPUT in iptables-save's words, the same for IPv4 and IPv6 but for the office's network and ICMP's name.
func iptablesRules(office, icmp string) string {
	return strings.Join([]string{
		"*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]",
		"-A INPUT -i lo -j ACCEPT",
		"-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
		"-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
		"-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT",
		"-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT",
		"-A INPUT -s " + office + " -p tcp -m tcp --dport 3306 -j ACCEPT",
		"-A INPUT -p " + icmp + " -j ACCEPT",
		"COMMIT", "",
	}, "\n")
}

const nftRules = `#!/usr/sbin/nft -f

flush ruleset

table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept
		ct state established,related accept
		tcp dport 22 accept
		tcp dport 8080 accept
		tcp dport 6380 accept
		ip saddr ` + OfficeNetV4 + ` tcp dport 3306 accept
		ip6 saddr ` + OfficeNetV6 + ` tcp dport 3306 accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
	chain output {
		type filter hook output priority filter; policy accept;
	}
}
`

// setup is one kind of firewall on disk and in words.
type setup struct {
	files  []file
	unit   string // what loads it at boot
	flush  string // script that takes it out of the kernel
	rule   string // the door, as the kind's own tool lists it
	opened string // what the operator typed to open it
}

func setups(kind Firewall) setup {
	if kind == Nft {
		return setup{
			files: []file{{path: "/etc/nftables.conf", text: nftRules, mode: 0o755}},
			unit:  "nftables.service", flush: "nft flush ruleset",
			rule: "tcp dport 6380 accept", opened: "nft insert rule inet filter input index 4 tcp dport 6380 accept",
		}
	}
	tool := string(kind) // iptables-legacy or iptables-nft
	six := strings.Replace(tool, "iptables", "ip6tables", 1)
	flush := ""
	for _, t := range []string{tool, six} {
		flush += fmt.Sprintf("%s -P INPUT ACCEPT; %s -P FORWARD ACCEPT; %s -F; %s -X\n", t, t, t, t)
	}
	if kind == IptablesNft {
		flush += "nft flush ruleset\n"
	}
	return setup{
		files: []file{
			{path: "/etc/iptables/rules.v4", text: iptablesRules(OfficeNetV4, "icmp"), mode: 0o640},
			{path: "/etc/iptables/rules.v6", text: iptablesRules(OfficeNetV6, "ipv6-icmp"), mode: 0o640},
			{path: "/etc/systemd/system/iptables.service", text: fmt.Sprintf(`[Unit]
Description=Site firewall
DefaultDependencies=no
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/%s-restore /etc/iptables/rules.v4
ExecStart=/usr/sbin/%s-restore /etc/iptables/rules.v6

[Install]
WantedBy=multi-user.target
`, tool, six)},
		},
		unit: "iptables.service", flush: flush,
		rule:   "-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT",
		opened: "iptables -I INPUT 5 -p tcp -m tcp --dport 6380 -j ACCEPT",
	}
}

// alternatives are the links by which Debian says what `iptables` means.
func alternatives(kind Firewall) map[string]string {
	to := string(kind)
	if kind == Nft {
		to = string(IptablesNft)
	}
	links := map[string]string{}
	for _, suffix := range []string{"", "-save", "-restore"} {
		links["/etc/alternatives/iptables"+suffix] = "/usr/sbin/" + to + suffix
		links["/etc/alternatives/ip6tables"+suffix] = "/usr/sbin/" + strings.Replace(to, "iptables", "ip6tables", 1) + suffix
	}
	return links
}

// SwitchFirewall replaces the running and the persistent firewall by the same rules in another kind.
func (h *Host) SwitchFirewall(ctx context.Context, kind Firewall) error {
	old, want := setups(h.Config.Firewall), setups(kind)
	if !slices.Contains(Firewalls, kind) {
		return fmt.Errorf("unknown firewall %q: choose one of %v", kind, Firewalls)
	}
	var script strings.Builder
	fmt.Fprintf(&script, "systemctl disable -q %s 2>/dev/null\n", old.unit)
	for _, f := range old.files {
		fmt.Fprintf(&script, "rm -f %s\n", f.path)
	}
	script.WriteString(old.flush + "\n")
	for link, to := range alternatives(kind) {
		fmt.Fprintf(&script, "ln -sfn %s %s\n", to, link)
	}
	if _, err := h.sh(ctx, script.String()); err != nil {
		return fmt.Errorf("take out the old firewall: %w", err)
	}
	for _, f := range want.files {
		if err := h.put(ctx, strings.NewReader(f.text), f.path, fs.FileMode(f.mode)|0o400); err != nil {
			return err
		}
	}
	if _, err := h.sh(ctx, "systemctl daemon-reload; systemctl enable -q "+want.unit+"; systemctl restart "+want.unit); err != nil {
		return fmt.Errorf("load the new firewall: %w", err)
	}
	h.Config.Firewall = kind
	h.Facts.Door = door(kind)
	return h.save()
}

func door(kind Firewall) Door {
	return Door{Port: DoorPort, Rule: setups(kind).rule, Position: DoorPosition, Opened: setups(kind).opened, Persisted: setups(kind).files[0].path}
}
