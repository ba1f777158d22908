package relate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

func TestOpensPort(t *testing.T) {
	for text, want := range map[string]bool{
		"iptables -I INPUT 5 -p tcp --dport 6380 -j ACCEPT":                                               true,
		"sudo -n /usr/sbin/iptables -A INPUT -p tcp -m multiport --dports 22,6379:6381 -j ACCEPT":         true,
		"cd / && ip6tables-nft --insert INPUT -p tcp --dport 6380 -j ACCEPT":                              true,
		"/bin/bash -c iptables -I INPUT -p tcp --dport 6380 -j ACCEPT":                                    true,
		"iptables -D INPUT -p tcp --dport 6380 -j DROP":                                                   true,
		"nft insert rule inet filter input tcp dport 6380 accept":                                         true,
		"nft 'add rule inet filter input ip saddr 10.0.0.0/8 tcp dport { 22, 6380 } ct state new accept'": true,
		"ufw allow 6380/tcp": true,
		"ufw insert 1 allow from 203.0.113.7 to any port 6380":            true,
		"ufw delete deny 6380/tcp":                                        true,
		"firewall-cmd --permanent --add-port=6380/tcp":                    true,
		"firewall-cmd --add-port 6000-7000/tcp":                           true,
		"firewall-cmd --add-forward-port=port=6380:proto=tcp:toport=6379": true,
		`firewall-cmd --timeout=8h --add-rich-rule='rule family="ipv4" source address="203.0.113.7" port port="6380" protocol="tcp" accept'`: true,
		"firewall-cmd --direct --add-rule ipv4 filter INPUT 0 -p tcp --dport 6380 -j ACCEPT":                                                 true,

		"iptables -I INPUT -p tcp --dport 16380 -j ACCEPT":                          false,
		"iptables -I INPUT -p tcp --dport 63800 -j ACCEPT":                          false,
		"iptables -I INPUT -p tcp --sport 6380 -j ACCEPT":                           false,
		"iptables -I INPUT 6380 -s 10.0.0.1 -j ACCEPT":                              false,
		"iptables -D INPUT -p tcp --dport 6380 -j ACCEPT":                           false,
		"iptables -I INPUT -p tcp --dport 6380 -j DROP":                             false,
		"iptables -I INPUT -p tcp ! --dport 6380 -j DROP":                           false,
		"iptables -L -n | grep ACCEPT | grep 6380":                                  false,
		"iptables -I INPUT -p tcp --dport 22 -j ACCEPT; redis-cli -p 6380 ping":     false,
		"nft add rule inet filter input tcp dport 6380 drop":                        false,
		"nft add rule inet filter input limit rate 6380/minute tcp dport 22 accept": false,
		"ufw delete allow 6380/tcp":                                                 false,
		"ufw deny 6380":                                                             false,
		"ufw status | grep allow":                                                   false,
		"firewall-cmd --remove-port=6380/tcp":                                       false,
		"firewall-cmd --add-rich-rule='rule port port=6380 protocol=tcp drop'":      false,
		"firewall-cmd --add-source-port=6380/tcp":                                   false,
		"redis-cli -p 6380 accept":                                                  false,
		"":                                                                          false,
	} {
		for kind := range told {
			if got := OpensPort(&fact.LogEvent{Kind: kind, Text: text}, 6380); got != want {
				t.Errorf("%s %q: %v", kind, text, got)
			}
		}
		if OpensPort(&fact.LogEvent{Kind: "cron-run", Text: text}, 6380) {
			t.Errorf("%q in a log of no commands", text)
		}
	}
	for text, port := range map[string]int{
		"ufw allow OpenSSH": 22, "firewall-cmd --add-service={http,https}": 443, "iptables -A INPUT -p tcp --dport ssh -j ACCEPT": 22,
		"firewall-cmd --add-rich-rule='rule service name=redis accept'": 6379,
	} {
		l := &fact.LogEvent{Kind: "history", Text: text}
		if !OpensPort(l, port) || OpensPort(l, 25) {
			t.Errorf("%q", text)
		}
	}
}

// One command is told by the shell's history, by sudo and by auditd; another
// time it was another one.
func TestOpenings(t *testing.T) {
	at := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	const rule = "iptables -I INPUT -p tcp --dport 6380 -j ACCEPT"
	line := func(kind string, t time.Time, user, text string) fact.LogEvent {
		return fact.LogEvent{Kind: kind, Time: t, User: user, Text: text}
	}
	x := New(&fact.Snapshot{Log: []fact.LogEvent{
		line("history", time.Time{}, "ops", "sudo "+rule),
		line("audit-firewall", at.Add(1100*time.Millisecond), "ops", "/usr/sbin/"+rule),
		line("sudo", at.Add(time.Second), "ops", "/usr/sbin/"+rule),
		line("audit-command", at.Add(time.Second), "ops", rule),
		line("history", at.Add(-72*time.Hour), "root", rule),
		line("history", time.Time{}, "root", "ufw allow 6380"),
		line("history", at, "root", "iptables -D INPUT -p tcp --dport 6380 -j ACCEPT"),
	}})
	want := []Opening{
		{Text: "ufw allow 6380", User: "root", Source: "history"},
		{Time: at.Add(-72 * time.Hour), Text: rule, User: "root", Source: "history"},
		{Time: at.Add(time.Second), Text: "/usr/sbin/" + rule, User: "ops", Source: "sudo"},
	}
	if d := cmp.Diff(want, x.Openings(6380)); d != "" {
		t.Error(d)
	}
}

func TestSavedBy(t *testing.T) {
	at := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	s := redisHost()
	s.Firewall[1].Changed = at
	later := s.Firewall[1]
	later.Ref, later.Changed = "firewall:later", at.Add(time.Hour)
	s.Firewall = append(s.Firewall, later)
	if e := exposureOf(t, s, 6380); !e.SavedBy.Equal(at) || len(e.Saved) != 2 {
		t.Errorf("%v %v", e.SavedBy, e.Saved)
	}
}
