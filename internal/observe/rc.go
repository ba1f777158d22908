package observe

import (
	"context"
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/shell"
	"demine/internal/host"
)

var rc = &Observer{
	Name:  "rc",
	Doc:   "lines of rc.local, scripts of local.d, and init scripts that a runlevel starts",
	Sees:  []string{fact.KindAutostart},
	Needs: []string{"process"},
	Reads: []string{
		"/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/*.local", "/etc/init.d/rc.local", "/etc/local.d", "/etc/local.d/*",
		"/etc/init.d", "/etc/init.d/*", "/etc/rc.d/init.d/*", "/etc/runlevels", "/etc/runlevels/*", "/etc/runlevels/*/*",
		"/etc/rc?.d", "/etc/rc?.d/*", "/etc/rc.d/rc?.d", "/etc/rc.d/rc?.d/*", "/etc/init.d/rc?.d", "/etc/init.d/rc?.d/*",
	},
	See: seeRC,
}

// rcLook is one look at what runs at boot without a unit of its own.
type rcLook struct {
	v       *View
	p       Part
	systemd bool
	seen    map[fact.FileID]bool
}

func seeRC(_ context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	r := &rcLook{v: v, seen: map[fact.FileID]bool{}}
	for i := range in.Process {
		r.systemd = r.systemd || in.Process[i].PID == 1 && in.Process[i].Comm == "systemd"
	}
	// boot.local and after.local are SUSE's names.
	for _, f := range []fact.Path{
		"/etc/rc.local", "/etc/rc.d/rc.local", "/etc/init.d/rc.local", "/etc/init.d/boot.local", "/etc/init.d/after.local",
	} {
		r.lines(f)
	}
	r.localD()
	r.links()
	r.runlevels()
	r.p.Absent = len(r.p.Autostart) == 0
	return r.p, nil
}

// lines adds the commands of an rc.local, one a line.
func (r *rcLook) lines(at fact.Path) {
	b, info, ok := r.p.read(r.v, at, maxScript)
	if !ok || r.seen[info.ID] {
		return
	}
	r.seen[info.ID] = true
	base := fact.Autostart{
		Kind: "rc", Name: path.Base(string(at)), Origin: fact.Origin{Path: at}, User: "root",
		Mode: info.Mode, Modified: info.Modified, Changed: info.Changed,
	}
	if info.Mode&0o111 == 0 {
		base.Dormant = "not-executable"
	}
	texts := map[string]bool{}
	for _, c := range rcCommands(fact.Text(b)) {
		a := base
		id := c.text
		if a.Ref = fact.AutostartRef("rc", at, id); texts[id] || len(r.p.Autostart) >= maxJobs {
			continue
		}
		texts[id] = true
		a.Origin.Line = c.line
		a.Text, a.Command, a.Shell = shown(c.text), shown(c.text), shellOf(c.text)
		if c.dead && a.Dormant == "" {
			a.Dormant = "after-exit"
		}
		a.Active = a.Dormant == ""
		r.p.Autostart = append(r.p.Autostart, a)
	}
}

type rcCommand struct {
	line int
	text string
	dead bool // an exit before it ends the script always
}

// rcCommands splits a script into its command lines: continued lines are one;
// comments, exit and the words that only hold a block together are none.
func rcCommands(text string) []rcCommand {
	var out []rcCommand
	depth, dead := 0, false
	held, start := "", 0
	for n, line := range strings.Split(text, "\n") {
		if held == "" {
			start = n + 1
		}
		if s, ok := strings.CutSuffix(line, `\`); ok && len(held) < maxShell {
			held += s + " "
			continue
		}
		s := strings.TrimSpace(held + line)
		held = ""
		first, _ := field(s)
		first = strings.TrimSuffix(first, ";")
		switch first {
		case "", "then", "else", "do", "esac", "fi", "done", "}", "{", "exit":
		default:
			if !strings.HasPrefix(s, "#") {
				out = append(out, rcCommand{start, s, dead})
			}
		}
		depth += rcDepth(first, s)
		dead = dead || first == "exit" && depth <= 0
	}
	return out
}

// rcDepth tells whether a line opens or closes a block. It need not be exact:
// it only keeps an exit within a block from counting as the script's end.
func rcDepth(first, line string) int {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ';' })
	last := ""
	if len(words) > 0 {
		last = words[len(words)-1]
	}
	closes := func(w string) bool { return slices.Contains([]string{"fi", "done", "esac", "}"}, w) }
	opens := slices.Contains([]string{"if", "for", "while", "until", "case", "{"}, first) || last == "{" && first != "}"
	switch {
	case opens && !closes(last):
		return 1
	case closes(first):
		return -1
	}
	return 0
}

// localD adds the scripts of OpenRC's service "local".
func (r *rcLook) localD() {
	enabled := false
	for _, level := range r.p.list(r.v, "/etc/runlevels") {
		_, err := r.v.Lstat(host.Join(level, "local"))
		enabled = enabled || err == nil
	}
	for _, f := range r.p.list(r.v, "/etc/local.d") {
		if !strings.HasSuffix(string(f), ".start") {
			continue
		}
		dormant := ""
		if !enabled {
			dormant = "disabled"
		}
		r.script("rc", f, dormant)
	}
}

func (r *rcLook) script(kind string, f fact.Path, dormant string) {
	b, info, ok := r.p.read(r.v, f, maxScript)
	if !ok || r.seen[info.ID] {
		return
	}
	r.seen[info.ID] = true
	if dormant == "" && info.Mode&0o111 == 0 {
		dormant = "not-executable"
	}
	r.p.Autostart = append(r.p.Autostart, fact.Autostart{
		Ref: fact.AutostartRef(kind, f, ""), Kind: kind, Origin: fact.Origin{Path: f},
		Name: fact.Text([]byte(path.Base(string(f)))), User: "root", Shell: masked(shell.Script(clipBytes(b, maxShell))),
		Active: dormant == "", Dormant: dormant, Mode: info.Mode, Modified: info.Modified, Changed: info.Changed,
	})
}

// links adds the init scripts that the S links of a runlevel start; 0 and 6
// are for going down.
func (r *rcLook) links() {
	for _, parent := range []fact.Path{"/etc", "/etc/rc.d", "/etc/init.d"} {
		for _, level := range []string{"S", "1", "2", "3", "4", "5"} {
			dir := host.Join(parent, "rc"+level+".d")
			if i, err := r.v.Stat(dir); err != nil || i.Type != "dir" || r.seen[i.ID] {
				continue
			} else {
				r.seen[i.ID] = true
			}
			for _, l := range r.p.list(r.v, dir) {
				if base := path.Base(string(l)); len(base) > 3 && base[0] == 'S' {
					r.started(l)
				}
			}
		}
	}
}

// started adds the script behind a link.
func (r *rcLook) started(link fact.Path) {
	f := link
	if t, err := r.v.Readlink(link); err == nil {
		f = fact.Path(path.Clean(string(t)))
		if !strings.HasPrefix(string(f), "/") {
			f = host.Join(fact.Path(path.Dir(string(link))), string(t))
		}
		r.v.Allow(f)
	}
	r.script("init", f, r.replaced(path.Base(string(f))))
}

// replaced: systemd leaves a script alone when there is a unit of its name
// (systemd-sysv-generator(8)).
func (r *rcLook) replaced(name string) string {
	if !r.systemd {
		return ""
	}
	name = strings.TrimSuffix(name, ".sh")
	for _, d := range []fact.Path{"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
		if _, err := r.v.Lstat(host.Join(d, name+".service")); err == nil {
			return "unit-exists"
		}
	}
	return ""
}

// runlevels adds the services of OpenRC.
func (r *rcLook) runlevels() {
	for _, level := range r.p.list(r.v, "/etc/runlevels") {
		if path.Base(string(level)) == "shutdown" {
			continue
		}
		if i, err := r.v.Stat(level); err != nil || i.Type != "dir" {
			continue
		}
		for _, l := range r.p.list(r.v, level) {
			r.started(l)
		}
	}
}
