package lab

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// visit is an honest login of the past.
type visit struct {
	days  int // ago
	at    int // minutes after midnight
	stays time.Duration
	pid   int
}

var visits = []visit{
	{21, 10*60 + 12, 40 * time.Minute, 2114}, {14, 21*60 + 3, 25 * time.Minute, 7820}, {12, 20*60 + 41, 12 * time.Minute, 9313},
	{5, 9*60 + 30, 90 * time.Minute, 18022}, {1, 13*60 + 20, 55 * time.Minute, 25171},
}

// opened is the visit in which the port was opened for the developer.
var opened = visits[2]

// past writes what an honest operator left behind before today: key, history, logins.
func past(t *tree, h *Host, keys map[string]key) {
	where := time.FixedZone("", h.Facts.Zone*60)
	t.dir("/root/.ssh", 0o700, 0, 0)
	t.write(file{path: "/root/.ssh/authorized_keys", text: keys["owner"].public + "\n", mode: 0o600, modified: visits[0].time(where)})
	t.write(file{path: "/root/.bash_history", text: history(h.Config.Firewall, where), mode: 0o600, modified: visits[4].time(where)})
	var log strings.Builder
	var logins bytes.Buffer
	for _, v := range visits {
		log.WriteString(v.log(where, h.Config.Cron, keys["owner"].fingerprint))
		login, logout := v.utmp(where)
		binary.Write(&logins, binary.LittleEndian, login)
		binary.Write(&logins, binary.LittleEndian, logout)
	}
	t.write(file{path: "/var/log/auth.log", text: log.String(), mode: 0o640, gid: admGID})
	t.write(file{path: "/var/log/wtmp", text: logins.String(), mode: 0o664, gid: utmpGID})
}

func (v visit) time(where *time.Location) time.Time {
	now := time.Now().In(where)
	return time.Date(now.Year(), now.Month(), now.Day()-v.days, v.at/60, v.at%60, 7, 0, where)
}

// history is root's, with times. The operator lets the developer in, and nobody ever closes the door.
func history(kind Firewall, where *time.Location) string {
	var b strings.Builder
	for _, h := range []struct {
		v        visit
		commands []string
	}{
		{visits[0], []string{"cd /opt/shop", "systemctl status shop redis-6380", "free -m"}},
		{visits[1], []string{"redis-cli -p 6380 info memory", "top", "df -h"}},
		{opened, []string{"# xiao chen works from home and needs redis, close it again next week", setups(kind).opened, persist(kind), "redis-cli -p 6380 ping"}},
		{visits[3], []string{"tail -100 /var/log/redis-6380.log", "systemctl restart shop", "crontab -l"}},
		{visits[4], []string{"redis-cli -p 6380 set stock:1001 10000000", "curl -s http://127.0.0.1:8080/health"}},
	} {
		at := h.v.time(where)
		for i, c := range h.commands {
			fmt.Fprintf(&b, "#%d\n%s\n", at.Add(time.Duration(60+i*25)*time.Second).Unix(), c)
		}
	}
	return b.String()
}

func persist(kind Firewall) string {
	if kind == Nft {
		return "nft list ruleset > /etc/nftables.conf"
	}
	return "iptables-save > /etc/iptables/rules.v4; ip6tables-save > /etc/iptables/rules.v6"
}

// log is what sshd logs of a login by key; the format is rsyslog's default of the system that the layout stands for.
func (v visit) log(where *time.Location, c Cron, fingerprint string) string {
	at := v.time(where)
	stamp := func(t time.Time) string {
		if c == RHEL {
			return t.Format(time.Stamp)
		}
		return t.Format("2006-01-02T15:04:05.000000-07:00")
	}
	port := 40000 + v.pid
	tag := fmt.Sprintf("shop01 sshd[%d]:", v.pid)
	return fmt.Sprintf("%s %s Accepted publickey for root from %s port %d ssh2: ED25519 %s\n", stamp(at), tag, OperatorV4, port, fingerprint) +
		fmt.Sprintf("%s %s pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)\n", stamp(at), tag) +
		fmt.Sprintf("%s %s pam_unix(sshd:session): session closed for user root\n", stamp(at.Add(v.stays)), tag)
}

// record is struct utmp of glibc on amd64 (bits/utmp.h).
type record struct {
	Type    int16
	_       int16
	PID     int32
	Line    [32]byte
	ID      [4]byte
	User    [32]byte
	Host    [256]byte
	Exit    [2]int16
	Session int32
	Sec     int32
	Usec    int32
	Addr    [16]byte
	_       [20]byte
}

func (v visit) utmp(where *time.Location) (login, logout record) {
	const userProcess, deadProcess = 7, 8
	at := v.time(where)
	login = record{Type: userProcess, PID: int32(v.pid), Sec: int32(at.Unix())}
	copy(login.Line[:], "pts/0")
	copy(login.ID[:], "ts/0")
	copy(login.User[:], "root")
	copy(login.Host[:], OperatorV4)
	addr := netip.MustParseAddr(OperatorV4).As4()
	copy(login.Addr[:], addr[:])
	logout = record{Type: deadProcess, PID: int32(v.pid), Line: login.Line, ID: login.ID, Sec: int32(at.Add(v.stays).Unix())}
	return login, logout
}
