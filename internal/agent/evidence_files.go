package agent

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"demine/internal/explain"
	"demine/internal/fact"
)

// keepImplants takes what was planted: from its process, which shows what
// runs even when its file was deleted or replaced, and from the disk. It gives
// the sums of the programs.
func (a *Agent) keepImplants(ctx context.Context, b *bundle, s *explain.Scan) (sums []explain.Indicator) {
	held := map[string]bool{} // sums: of a family of processes one is enough
	take := func(kind string, t taken, still func() bool) {
		if ctx.Err() != nil || b.err != nil {
			return
		}
		f, err := a.read(t)
		if err == nil && isDump(f.bytes) { // the owner's data may be in it: no more than the head
			t.most, t.sum = mostDump, true
			f, err = a.read(t)
		}
		if err != nil {
			if !missing(err) {
				b.left(t.path.String(), err)
			}
			return
		}
		if !still() {
			return
		}
		sum := sumOf(f.bytes)
		if held[sum] {
			return
		}
		held[sum] = true
		b.file(fmt.Sprintf("implants/%02d-%.12s", len(held), sum), f, way{encode: true})
		if kind != fact.KindAutostart && kind != fact.KindKey && f.kept.Cut == "" {
			sums = append(sums, explain.Indicator{Kind: explain.IndicatorSHA256, Value: sum, Origin: &fact.Origin{Path: t.path}})
		}
	}
	for i := range s.Incidents {
		for j := range s.Incidents[i].Implants {
			im := &s.Incidents[i].Implants[j]
			for _, ref := range append([]fact.Ref{im.Ref}, im.Members...) {
				if pid := a.alive(ref); pid > 0 {
					take(im.Kind, taken{path: fact.Path(fmt.Sprintf("/proc/%d/exe", pid)), most: mostImplant, held: true},
						func() bool { return a.alive(ref) == pid })
				}
			}
			for _, p := range implantFiles(im) {
				take(im.Kind, taken{path: p, most: mostImplant}, func() bool { return true })
			}
		}
	}
	return sums
}

// implantFiles are the files that an implant consists of.
func implantFiles(im *explain.Implant) []fact.Path {
	var out []fact.Path
	if im.Origin != nil {
		out = append(out, im.Origin.Path)
	}
	if im.Kind == fact.KindProcess || im.Kind == fact.KindFile {
		if strings.HasPrefix(im.Name, "/") {
			var p fact.Path
			if p.UnmarshalText([]byte(im.Name)) == nil {
				out = append(out, p)
			}
		}
	}
	return out
}

// alive gives the pid of a process that is still the one that was seen.
func (a *Agent) alive(ref fact.Ref) int {
	key := ref.Key()
	if ref.Kind() != fact.KindProcess {
		return 0
	}
	_, key, _ = strings.Cut(key, "/")
	pidText, startText, _ := strings.Cut(key, "@")
	pid, err := strconv.Atoi(pidText)
	if err != nil || pid <= 1 {
		return 0
	}
	stat, _, err := a.h.Files.ReadFile(fact.Path(fmt.Sprintf("/proc/%d/stat", pid)), 4096)
	if err != nil {
		return 0
	}
	// proc(5): the name stands in brackets and may hold anything; the start is
	// field 22.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 || fields[19] != startText {
		return 0
	}
	return pid
}

// Logs that say who came and what ran; they rotate away first.
var logFiles = []string{"auth.log", "secure", "cron", "cron.log", "messages", "syslog", "audit/audit.log", "fail2ban.log"}

var historyNames = []string{".bash_history", ".zsh_history", ".ash_history", ".sh_history", ".local/share/fish/fish_history"}

// evidenceFiles are the files of the host that are taken whole or in part, the
// smaller and more telling ones first.
func (a *Agent) evidenceFiles(s *explain.Scan) []taken {
	var out []taken
	seen := map[fact.Path]bool{}
	add := func(p fact.Path, t taken) {
		if p != "" && !seen[p] && strings.HasPrefix(string(p), "/") {
			seen[p] = true
			t.path = p
			out = append(out, t)
		}
	}
	text := taken{most: mostText, way: way{mask: true}}
	a.settingFiles(s, func(p fact.Path) { add(p, text) })
	for _, p := range dumps(s) {
		add(p, taken{most: mostDump, sum: true, way: way{encode: true}})
	}
	for _, name := range []string{"wtmp", "btmp"} {
		add(fact.Path("/var/log/"+name), taken{most: mostLog, tail: true})
	}
	log := taken{most: mostLog, tail: true, way: way{mask: true}}
	for _, p := range historyPaths(s) {
		add(p, log)
	}
	for _, p := range serviceLogs(s) {
		add(p, log)
	}
	for _, rotated := range []string{"", ".1"} {
		for _, name := range logFiles {
			add(fact.Path("/var/log/"+name+rotated), log)
		}
	}
	return out
}

// settingFiles are crontabs, keys, and the settings of what was attacked.
func (a *Agent) settingFiles(s *explain.Scan, add func(fact.Path)) {
	for _, i := range s.Incidents {
		for _, im := range i.Implants {
			if im.Origin != nil {
				add(im.Origin.Path)
			}
		}
	}
	if x := s.Snapshot; x != nil {
		for i := range x.Autostart {
			if k := x.Autostart[i].Kind; k == "cron" || k == "rc" || k == "periodic" {
				add(x.Autostart[i].Origin.Path)
			}
		}
		for i := range x.Key {
			add(x.Key[i].Origin.Path)
		}
		for i := range x.Service {
			add(x.Service[i].Config)
		}
		for i := range x.Firewall {
			add(x.Firewall[i].Persisted)
		}
	}
	for _, p := range []fact.Path{"/etc/crontab", "/etc/rc.local", "/etc/ld.so.preload", "/etc/passwd", "/etc/group", "/etc/hosts",
		"/etc/resolv.conf", "/root/.ssh/authorized_keys", "/etc/ssh/sshd_config"} {
		add(p)
	}
	names, _ := a.h.Files.Names("/etc/ssh/sshd_config.d")
	for _, n := range names {
		add(fact.Path("/etc/ssh/sshd_config.d/" + n))
	}
}

// historyPaths are the shell histories of root and of all who can log in.
func historyPaths(s *explain.Scan) []fact.Path {
	homes := []fact.Path{"/root"}
	if s.Snapshot != nil {
		for i := range s.Snapshot.Account {
			acc := &s.Snapshot.Account[i]
			if acc.Login && len(acc.Home) > 1 && !slices.Contains(homes, acc.Home) && len(homes) < mostHomes {
				homes = append(homes, acc.Home)
			}
		}
	}
	var out []fact.Path
	for _, h := range homes {
		for _, n := range historyNames {
			out = append(out, fact.Path(path.Join(string(h), n)))
		}
	}
	return out
}

const mostHomes = 200

// dumps are the files that Redis saves to.
func dumps(s *explain.Scan) []fact.Path {
	var out []fact.Path
	if s.Snapshot == nil {
		return nil
	}
	for i := range s.Snapshot.Service {
		dir, name := s.Snapshot.Service[i].Setting("dir").Value, s.Snapshot.Service[i].Setting("dbfilename").Value
		if dir != "" && name != "" {
			out = append(out, fact.Path(path.Join(dir, name)))
		}
	}
	return out
}

// serviceLogs are those that the services' own settings name.
func serviceLogs(s *explain.Scan) []fact.Path {
	var out []fact.Path
	if s.Snapshot == nil {
		return nil
	}
	for i := range s.Snapshot.Service {
		if v := s.Snapshot.Service[i].Setting("logfile").Value; v != "" {
			out = append(out, fact.Path(v))
		}
	}
	return append(out, "/var/log/redis/redis-server.log", "/var/log/redis/redis.log")
}
