package observe

import (
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/crontab"
)

// cronDaemon is what a cron daemon that runs reads, and how.
type cronDaemon struct {
	dialect crontab.Dialect
	spool   fact.Path // the folder of users' tables
	system  bool      // /etc/crontab and cron.d too
	anyMode bool      // cronie -p: owners and modes do not matter
}

// cronLayouts are the places of the distributions.
var cronLayouts = []cronDaemon{
	{crontab.Debian, "/var/spool/cron/crontabs", true, false},
	{crontab.Cronie, "/var/spool/cron/tabs", true, false}, // SUSE
	{crontab.Busybox, "/etc/crontabs", false, false},      // Alpine
	{crontab.Cronie, "/var/spool/cron", true, false},
}

// cronByLayout is the daemon that the host is laid out for.
func cronByLayout(v *View) cronDaemon {
	switch {
	case exists(v, "/etc/debian_version"):
		return cronLayouts[0]
	case exists(v, "/var/spool/cron/tabs"):
		return cronLayouts[1]
	case exists(v, "/etc/alpine-release"):
		return cronLayouts[2]
	case exists(v, "/etc/redhat-release"), !exists(v, "/var/spool/cron/crontabs"):
		return cronLayouts[3]
	}
	return cronLayouts[0]
}

// cronDaemons finds the daemons among the host's own processes (a container's
// cron reads the container's files). known is false when processes were not
// seen: then that none was found says nothing.
func cronDaemons(v *View, ps []fact.Process) (out []cronDaemon, known bool) {
	for i := range ps {
		p := &ps[i]
		known = known || p.PID == 1
		if p.Kernel || p.Container != "" {
			continue
		}
		if d, ok := cronOf(v, p); ok && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	// systemd-cron runs crontabs by units that its generator makes.
	if len(out) == 0 && exists(v, "/usr/lib/systemd/system-generators/systemd-crontab-generator") {
		out = append(out, cronByLayout(v))
	}
	return out, known
}

func cronOf(v *View, p *fact.Process) (cronDaemon, bool) {
	exe := path.Base(string(p.Exe))
	busybox := strings.HasPrefix(exe, "busybox")
	name := p.Comm
	if p.Exe != "" && !busybox {
		name = exe
	}
	if busybox && len(p.Argv) > 0 {
		name = path.Base(p.Argv[0])
		if strings.HasPrefix(name, "busybox") && len(p.Argv) > 1 {
			name = p.Argv[1]
		}
	}
	switch {
	case name == "crond" && (busybox || p.Exe == "" && exists(v, "/etc/alpine-release")):
		return cronDaemon{dialect: crontab.Busybox, spool: busyboxSpool(p)}, true
	case name == "crond":
		d := cronLayouts[3]
		if exists(v, "/var/lib/dpkg/info/cronie.list") { // Debian builds it for its own spool
			d.spool = "/var/spool/cron/crontabs"
		}
		d.anyMode = slices.Contains(p.Argv, "-p")
		return d, true
	case name == "cron" && exists(v, "/var/spool/cron/tabs"): // SUSE's name of cronie
		return cronLayouts[1], true
	case name == "cron":
		return cronLayouts[0], true
	}
	return cronDaemon{}, false
}

// busyboxSpool is the folder of -c, or the one that is built in.
func busyboxSpool(p *fact.Process) fact.Path {
	for i, a := range p.Argv {
		dir, ok := strings.CutPrefix(a, "-c")
		if !ok {
			continue
		}
		if dir == "" && i+1 < len(p.Argv) {
			dir = p.Argv[i+1]
		}
		if strings.HasPrefix(dir, "/") {
			return fact.Path(path.Clean(dir))
		}
	}
	return "/var/spool/cron/crontabs"
}
