package observe

import (
	"context"
	"slices"
	"strings"

	"demine/internal/fact"
	shellhistory "demine/internal/format/history"
	"demine/internal/format/shell"
	"demine/internal/host"
)

var history = &Observer{
	Name:    "history",
	Doc:     "those lines of shell histories that matter for the story of an intrusion",
	Sees:    []string{fact.KindLog},
	Needs:   []string{"account"},
	Reads:   []string{"/root/*", "/root/.local/share/fish/fish_history"},
	Follows: []string{fact.KindAccount},
	See:     seeHistory,
}

const (
	maxHistory      = 4 << 20 // bytes of one file, its end
	maxHistoryLines = 500     // of one host
)

var historyFiles = []string{
	".bash_history", ".zsh_history", ".ash_history", ".sh_history", ".local/share/fish/fish_history",
}

func seeHistory(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	seen := map[fact.FileID]bool{}
	homes := map[fact.Path]string{"/root": "root"}
	order := []fact.Path{"/root"}
	for _, a := range loginsFirst(in.Account) {
		if _, ok := homes[a.Home]; !ok && len(a.Home) > 1 && a.Home[0] == '/' {
			homes[a.Home] = a.Name
			order = append(order, a.Home)
		}
	}
	for _, h := range order {
		for _, name := range historyFiles {
			if ctx.Err() != nil {
				return p, ctx.Err()
			}
			f := host.Join(h, name)
			i, err := v.Stat(f)
			p.gap(f, err)
			if e, ok := wiped(v, f, in.Host.BootTime, false); ok && e.Method == "null-link" {
				e.User = homes[h] // an owner's choice, or an intruder's
				p.Log = append(p.Log, e)
			}
			if err != nil || seen[i.ID] || i.Type == "device" {
				continue
			}
			seen[i.ID] = true
			p.history(v, f, homes[h])
		}
	}
	p.Log = latest(p.Log)
	return p, nil
}

func (p *Part) history(v *View, f fact.Path, user string) {
	b, cut, ok := p.tail(v, f, maxHistory)
	if !ok {
		return
	}
	var found []fact.LogEvent
	for _, e := range shellhistory.Parse(b) {
		s, ok := tellsSomething(e.Text)
		if !ok {
			continue
		}
		at := fact.Origin{Path: f, Line: e.Line}
		if cut {
			at.Line = 0
		}
		clock := fact.ClockExact
		if e.Time.IsZero() {
			clock = fact.ClockNone
		}
		found = append(found, fact.LogEvent{Kind: "history", Time: e.Time, Clock: clock, User: user, Text: shown(e.Text), Shell: &s, Origin: at})
	}
	p.Log = append(p.Log, found[max(0, len(found)-maxHistoryLines):]...)
}

// latest keeps the newest lines; those without a time, of which nobody knows,
// give way only to as many.
func latest(es []fact.LogEvent) []fact.LogEvent {
	var dated, undated []fact.LogEvent
	for _, e := range es {
		if e.Time.IsZero() {
			undated = append(undated, e)
		} else {
			dated = append(dated, e)
		}
	}
	slices.SortStableFunc(dated, func(a, b fact.LogEvent) int { return a.Time.Compare(b.Time) })
	keep := max(maxHistoryLines/2, maxHistoryLines-len(undated))
	dated = dated[max(0, len(dated)-keep):]
	undated = undated[max(0, len(undated)-(maxHistoryLines-len(dated))):]
	return append(undated, dated...)
}

// story are the words that make a line worth keeping whatever else it says;
// doors, schedules, keys, accounts, and what ends processes.
var story = []string{
	"iptables", "ip6tables", "nft", "ufw", "firewall-cmd", "crontab", "redis-cli", "redis-server", "chattr",
	"useradd", "adduser", "usermod", "pkill", "killall", "setenforce", "insmod", "modprobe",
}

// storyFiles are names, and words of hiding a history, that do so anywhere in
// the line.
var storyFiles = []string{
	"HISTFILE", "HISTSIZE=0", "history -c", "history -d", "sshd_config", "authorized_keys", "ld.so.preload", "/var/spool/cron", "/etc/cron", "rc.local", "redis.conf",
}

// hints are parts of every line that the shell facts could say something of:
// histories have many lines, and reading each as shell costs.
var hints = []string{"curl", "wget", "fetch", "http", "ftp", "base64", "/dev/tcp", "/dev/udp", "openssl", "xxd", "python", "perl", "lwp"}

// tellsSomething reports whether a line matters for a story.
func tellsSomething(line string) (fact.Shell, bool) {
	has := func(s string) bool { return strings.Contains(line, s) }
	worth := slices.ContainsFunc(story, has) || has("kill -9") ||
		has("systemctl") && (has("enable") || has("disable") || has("mask"))
	files := slices.ContainsFunc(storyFiles, has)
	if !worth && !files && !slices.ContainsFunc(hints, has) {
		return fact.Shell{}, false
	}
	s := masked(shell.Parse(clip(line, maxShell)))
	worth = worth && slices.ContainsFunc(s.Programs, isStory)
	return s, worth || files || s.FetchExec || s.DecodeExec || s.DevTCP
}

func isStory(program string) bool {
	name := program[strings.LastIndexByte(program, '/')+1:]
	return slices.Contains(story, name) || strings.HasPrefix(name, "iptables-") || name == "kill" || name == "systemctl"
}
