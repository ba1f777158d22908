package agent

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
)

// opened is a host with an opening: rules in force behind those of the base, in
// a file if they are saved, commands that somebody typed today, and who listens.
type opened struct {
	name, rules string
	saved       string // other than rules; "-": no file, "none": the file has none of them
	typed       string
	listens     string // program, protocol:address:port
	more        string
}

// person logs in from here, as wtmp tells.
const person = "203.0.113.7"

// How honest servers are set up for good: none of that is an opening that somebody forgot.
var setUp = []opened{
	{name: "mail server, typed and saved", rules: "-A INPUT -p tcp -m multiport --dports 25,465,587,143,993 -j ACCEPT",
		typed: "iptables -A INPUT -p tcp -m multiport --dports 25,465,587,143,993 -j ACCEPT\nnetfilter-persistent save", listens: "master tcp:0.0.0.0:25"},
	{name: "web server, not saved yet", rules: "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT", saved: "none",
		typed: "iptables -I INPUT -p tcp --dport 443 -j ACCEPT", listens: "nginx tcp:0.0.0.0:443"},
	{name: "name server of both protocols", rules: "-A INPUT -p udp -m udp --dport 53 -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 53 -j ACCEPT",
		typed: "iptables -A INPUT -p udp --dport 53 -j ACCEPT; iptables -A INPUT -p tcp --dport 53 -j ACCEPT", listens: "named udp:0.0.0.0:53"},
	{name: "the office's way in", rules: "-A INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 2222 -j ACCEPT",
		typed: "iptables -A INPUT -s 203.0.113.7 -p tcp --dport 2222 -j ACCEPT", listens: "sshd tcp:0.0.0.0:2222"},
	{name: "ufw's for the office", rules: "-A ufw-user-input -s 203.0.113.7/32 -p tcp -m tcp --dport 2222 -j ACCEPT", saved: "-",
		typed: "ufw allow from 203.0.113.7 to any port 2222 proto tcp", listens: "sshd tcp:0.0.0.0:2222",
		more: "-- /etc/ufw/user.rules --\n*filter\n:ufw-user-input - [0:0]\n-A ufw-user-input -p tcp --dport 2222 -s 203.0.113.7 -j ACCEPT\nCOMMIT\n"},
	{name: "a service of firewalld's", rules: "-A IN_public_allow -p tcp -m tcp --dport 443 -j ACCEPT", saved: "-",
		typed: "firewall-cmd --permanent --add-service=https", listens: "nginx tcp:0.0.0.0:443",
		more: "-- /etc/firewalld/zones/public.xml --\n<zone><service name=\"https\"/></zone>\n" +
			"-- /usr/lib/firewalld/services/https.xml --\n<service><port protocol=\"tcp\" port=\"443\"/></service>\n"},
	{name: "a rich rule of firewalld's for the office", rules: "-A IN_public_allow -s 203.0.113.7/32 -p tcp -m tcp --dport 2222 -j ACCEPT", saved: "-",
		typed:   `firewall-cmd --permanent --add-rich-rule='rule family="ipv4" source address="203.0.113.7" port port="2222" protocol="tcp" accept'`,
		listens: "sshd tcp:0.0.0.0:2222",
		more:    "-- /etc/firewalld/zones/public.xml --\n<zone><rule family=\"ipv4\"><source address=\"203.0.113.7\"/><port port=\"2222\" protocol=\"tcp\"/><accept/></rule></zone>\n"},
	{name: "WireGuard", rules: "-A INPUT -p udp -m udp --dport 51820 -j ACCEPT", typed: "iptables -A INPUT -p udp --dport 51820 -j ACCEPT"},
	{name: "monitoring from one address", rules: "-A INPUT -s 198.51.100.20/32 -p tcp -m tcp --dport 9100 -j ACCEPT",
		typed: "iptables -A INPUT -s 198.51.100.20 -p tcp --dport 9100 -j ACCEPT; service iptables save", listens: "node_exporter tcp:0.0.0.0:9100"},
	{name: "monitoring from where people come too", rules: "-A INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 9100 -j ACCEPT",
		typed: "iptables -A INPUT -s 203.0.113.7 -p tcp --dport 9100 -j ACCEPT", listens: "node_exporter tcp:0.0.0.0:9100"},
	{name: "the application's own host", rules: "-A INPUT -s 10.0.0.9/32 -p tcp -m tcp --dport 3306 -j ACCEPT",
		typed: "iptables -A INPUT -s 10.0.0.9 -p tcp --dport 3306 -j ACCEPT; netfilter-persistent save", listens: "mysqld tcp:0.0.0.0:3306"},
	{name: "the application in another cloud", rules: "-A INPUT -s 198.51.100.4/32 -p tcp -m tcp --dport 5432 -j ACCEPT",
		typed: "iptables -A INPUT -s 198.51.100.4 -p tcp --dport 5432 -j ACCEPT; netfilter-persistent save", listens: "postgres tcp:0.0.0.0:5432"},
	{name: "node ports", rules: "-A KUBE-NODE -p tcp -m tcp --dport 30080 -j ACCEPT", saved: "none", listens: "kube-proxy tcp:0.0.0.0:30080"},
	{name: "the API of a cluster", rules: "-A INPUT -p tcp -m tcp --dport 6443 -j ACCEPT",
		typed: "iptables -A INPUT -p tcp --dport 6443 -j ACCEPT; iptables-save > /etc/iptables/rules.v4", listens: "kube-apiserver tcp:0.0.0.0:6443"},
	{name: "an own application", rules: "-A INPUT -p tcp -m tcp --dport 8443 -j ACCEPT",
		typed: "iptables -A INPUT -p tcp --dport 8443 -j ACCEPT; netfilter-persistent save", listens: "java tcp:0.0.0.0:8443"},
	{name: "nobody knows what loads it", rules: "-A INPUT -p tcp -m tcp --dport 8443 -j ACCEPT", saved: "-", listens: "java tcp:0.0.0.0:8443"},
}

// What was opened for a while, or opens what is nobody's business.
var drifted = []opened{
	{name: "the incident's", rules: "-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT",
		typed: "iptables -I INPUT 5 -p tcp -m tcp --dport 6380 -j ACCEPT; netfilter-persistent save", listens: "redis-server tcp:0.0.0.0:6380"},
	{name: "a developer's, saved since", rules: "-A INPUT -s 203.0.113.7/32 -p tcp -m tcp --dport 6380 -j ACCEPT",
		typed: "iptables -I INPUT -s 203.0.113.7 -p tcp --dport 6380 -j ACCEPT", listens: "redis-server tcp:0.0.0.0:6380"},
	{name: "a developer's, by ufw", rules: "-A ufw-user-input -s 203.0.113.7/32 -p tcp -m tcp --dport 3306 -j ACCEPT", saved: "-",
		typed: "ufw allow from 203.0.113.7 to any port 3306 proto tcp", listens: "mysqld tcp:0.0.0.0:3306",
		more: "-- /etc/ufw/user.rules --\n*filter\n:ufw-user-input - [0:0]\n-A ufw-user-input -p tcp --dport 3306 -s 203.0.113.7 -j ACCEPT\nCOMMIT\n"},
	{name: "typed, no file has it", rules: "-A INPUT -s 198.51.100.20/32 -p tcp -m tcp --dport 8081 -j ACCEPT", saved: "none",
		typed: "iptables -I INPUT -s 198.51.100.20 -p tcp --dport 8081 -j ACCEPT", listens: "java tcp:0.0.0.0:8081"},
	{name: "typed, there is no file", rules: "-A INPUT -s 198.51.100.20/32 -p tcp -m tcp --dport 8081 -j ACCEPT", saved: "-",
		typed: "iptables -I INPUT -s 198.51.100.20 -p tcp --dport 8081 -j ACCEPT", listens: "java tcp:0.0.0.0:8081"},
	{name: "beside what is saved, by nobody", rules: "-A INPUT -s 198.51.100.20/32 -p tcp -m tcp --dport 3306 -j ACCEPT", saved: "none", listens: "mysqld tcp:0.0.0.0:3306"},
	{name: "a data store for everybody", rules: "-A INPUT -p tcp -m tcp --dport 3306 -j ACCEPT",
		typed: "iptables -A INPUT -p tcp --dport 3306 -j ACCEPT; netfilter-persistent save", listens: "mysqld tcp:0.0.0.0:3306"},
	{name: "firewalld's runtime alone", rules: "-A IN_public_allow -p tcp -m tcp --dport 8080 -j ACCEPT\n-A IN_public_allow -p tcp -m tcp --dport 22 -j ACCEPT", saved: "-",
		typed: "firewall-cmd --add-port=8080/tcp", listens: "java tcp:0.0.0.0:8080",
		more: "-- /etc/firewalld/zones/public.xml --\n<zone><port port=\"22\" protocol=\"tcp\"/></zone>\n"},
	{name: "a data store for all but one network", rules: "-A INPUT ! -s 10.9.0.0/16 -p tcp -m tcp --dport 3306 -j ACCEPT",
		typed: "iptables -A INPUT ! -s 10.9.0.0/16 -p tcp --dport 3306 -j ACCEPT; netfilter-persistent save", listens: "mysqld tcp:0.0.0.0:3306"},
	{name: "made permanent", rules: "-A IN_public_allow -s 198.51.100.20/32 -p tcp -m tcp --dport 8080 -j ACCEPT", saved: "-",
		typed: `firewall-cmd --add-rich-rule='rule family="ipv4" source address="198.51.100.20" port port="8080" protocol="tcp" accept' --timeout=8h`, listens: "java tcp:0.0.0.0:8080",
		more: "-- /etc/firewalld/zones/public.xml --\n<zone><rule family=\"ipv4\"><source address=\"198.51.100.20\"/><port port=\"8080\" protocol=\"tcp\"/><accept/></rule></zone>\n"},
}

// TestOpeningsTold: what is told as an opening without a lease, and what is not.
func TestOpeningsTold(t *testing.T) {
	base, err := os.ReadFile("../../rules/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for want, hosts := range [][]opened{setUp, drifted} {
		for _, o := range hosts {
			t.Run(o.name, func(t *testing.T) {
				s, err := newAgent(t, append(bytes.Clone(base), o.host()...)).Look(t.Context(), Want{}, func(Event) {})
				if err != nil {
					t.Fatal(err)
				}
				n, there := 0, false
				for _, f := range s.Findings {
					if f.Rule == "exposure/opening-unleased" {
						n++
					}
				}
				for _, r := range s.Openings {
					there = there || strings.Contains(o.rules, r.Text)
				}
				if n != want || !there {
					t.Errorf("%d findings, want %d, of %+v", n, want, s.Openings)
				}
			})
		}
	}
}

const before = "-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"

// table is a filter with these rules; those of other chains are jumped to.
func table(rules string) string {
	chain, jump := strings.Fields(rules + " - INPUT")[1], ""
	if chain != "INPUT" && rules != "" {
		jump, chain = "-A INPUT -j "+chain+"\n", ":"+chain+" - [0:0]\n"
	} else {
		chain = ""
	}
	return "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n" + chain + before + jump + rules + "\nCOMMIT\n"
}

// host is the fixture. What it adds was done at 09:00 of the day on which it is looked at.
func (o *opened) host() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "-- kernel/xt --\n%s", table(o.rules))
	switch o.saved {
	case "":
		fmt.Fprintf(&b, "-- /etc/iptables/rules.v4 mtime=2026-11-22T09:10:00Z --\n%s", table(o.rules))
	case "none":
		fmt.Fprintf(&b, "-- /etc/iptables/rules.v4 mtime=2026-11-12T09:10:00Z --\n%s", table(""))
	}
	if o.typed != "" {
		fmt.Fprintf(&b, "-- /root/.bash_history mode=0600 --\n#1795338000\n%s\n", strings.ReplaceAll(o.typed, "\n", "\n#1795338010\n"))
	}
	fmt.Fprintf(&b, "-- /var/log/wtmp enc=base64 --\n%s\n", base64.StdEncoding.EncodeToString(login()))
	if program, at, ok := strings.Cut(o.listens, " "); ok {
		proto, local, _ := strings.Cut(at, ":")
		state := map[string]string{"tcp": "LISTEN", "udp": "UNCONN"}[proto]
		fmt.Fprintf(&b, "-- kernel/sockets --\n%s %s %s inode=7001 uid=0\n", proto, state, local)
		fmt.Fprintf(&b, "-- /proc/700/stat --\n700 (%.15s) S 1 700 700 0 -1 4194560 0 0 0 0 9000 0 0 0 20 0 1 0 2000 7000000 600\n", program)
		fmt.Fprintf(&b, "-- /proc/700/status --\nUid:\t0\t0\t0\t0\n-- /proc/700/cmdline enc=go --\n%s\\x00\n-- /proc/700/cgroup --\n0::/system.slice/x.service\n", program)
		fmt.Fprintf(&b, "-- /proc/700/exe -> /usr/sbin/%[1]s --\n-- /proc/700/fd/5 -> socket:[7001] --\n-- /usr/sbin/%[1]s mode=0755 --\n", program)
	}
	return append(b.Bytes(), o.more...)
}

// login is a record of wtmp, as glibc's struct utmp has it on amd64: who was logged in from where.
func login() []byte {
	b := make([]byte, 384)
	binary.LittleEndian.PutUint32(b, 7) // USER_PROCESS
	copy(b[8:], "pts/0")
	copy(b[44:], "ops")
	copy(b[76:], person)
	binary.LittleEndian.PutUint32(b[340:], 1795337000)
	copy(b[348:], []byte{203, 0, 113, 7})
	return b
}
