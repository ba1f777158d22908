package observe

import (
	"path"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/crontab"
	"demine/internal/format/shell"
)

// anacron adds the jobs of /etc/anacrontab: "period delay name command"
// (anacrontab(5)).
func (c *cronLook) anacron() {
	const at = fact.Path("/etc/anacrontab")
	b, info, ok := c.p.read(c.v, at, maxScript)
	if !ok {
		return
	}
	base := fact.Autostart{
		Kind: "cron", Name: "anacron", Origin: fact.Origin{Path: at}, User: "root",
		Mode: info.Mode, Modified: info.Modified, Changed: info.Changed,
	}
	if !exists(c.v, "/usr/sbin/anacron") && !exists(c.v, "/usr/bin/anacron") {
		base.Dormant = "no-daemon"
	}
	texts := map[string]bool{}
	for i, line := range strings.Split(string(b), "\n") {
		period, rest := field(line)
		_, rest = field(rest)
		name, command := field(rest)
		if command == "" || !strings.HasPrefix(period, "@") && (period[0] < '0' || period[0] > '9') || name == "" || texts[line] {
			continue
		}
		texts[line] = true
		a := base
		a.Ref = fact.AutostartRef("cron", at, line)
		a.Origin.Line = i + 1
		command = fact.Text([]byte(command))
		a.Text, a.Schedule = shown(fact.Text([]byte(line))), fact.Text([]byte(period))
		a.Command, a.Shell, a.Active = shown(command), shellOf(command), base.Dormant == ""
		c.p.Autostart = append(c.p.Autostart, a)
	}
}

// field splits off a word; the rest has no blanks around it.
func field(s string) (word, rest string) {
	s = strings.TrimSpace(s)
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimSpace(s[i:])
}

var periodicFolders = []fact.Path{
	"/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly", "/etc/cron.yearly",
}

// periodic adds the scripts that a crontab line runs by their folder.
func (c *cronLook) periodic() {
	folders := periodicFolders
	alpine := c.p.list(c.v, "/etc/periodic")
	dialect := crontab.Debian
	switch {
	case len(c.daemons) > 0:
		dialect = c.daemons[0].dialect
	case len(alpine) == 0:
		dialect = cronByLayout(c.v).dialect
	}
	for _, dir := range append(alpine, folders...) {
		why := c.folderDormant(dir)
		for _, f := range c.p.list(c.v, dir) {
			c.script(f, dialect, why)
		}
	}
}

// folderDormant is empty when a line that runs names the folder.
func (c *cronLook) folderDormant(dir fact.Path) string {
	if len(c.daemons) == 0 && c.known {
		return "no-daemon"
	}
	for i := range c.p.Autostart {
		a := &c.p.Autostart[i]
		if a.Active && strings.Contains(a.Command, string(dir)) {
			return ""
		}
	}
	return "not-read"
}

func (c *cronLook) script(f fact.Path, dialect crontab.Dialect, dormant string) {
	name := path.Base(string(f))
	b, info, ok := c.p.read(c.v, f, maxScript)
	if !ok || name == ".placeholder" { // of Debian's package cron
		return
	}
	a := fact.Autostart{
		Ref: fact.AutostartRef("periodic", f, ""), Kind: "periodic", Origin: fact.Origin{Path: f}, Name: fact.Text([]byte(name)),
		User: "root", Schedule: folderSchedule(f), Dialect: dialect.String(), Dormant: dormant,
		Mode: info.Mode, Modified: info.Modified, Changed: info.Changed, Shell: masked(shell.Script(clipBytes(b, maxShell))),
	}
	switch {
	case a.Dormant != "":
	case dialect == crontab.Cronie && !redhatRunsName(name), dialect != crontab.Cronie && !runPartsName(name):
		a.Dormant = "bad-name"
	case info.Mode&0o111 == 0:
		a.Dormant = "not-executable"
	}
	a.Active = a.Dormant == ""
	c.p.Autostart = append(c.p.Autostart, a)
}

// folderSchedule is "@daily" for /etc/cron.daily/x and /etc/periodic/daily/x.
func folderSchedule(f fact.Path) string {
	dir := path.Base(path.Dir(string(f)))
	return "@" + fact.Text([]byte(strings.TrimPrefix(dir, "cron.")))
}

func clipBytes(b []byte, n int) []byte { return b[:min(n, len(b))] }

// runPartsName is run-parts(8) of Debian and busybox, and cron(8) for cron.d.
func runPartsName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return name != ""
}

// redhatRunsName is /usr/bin/run-parts of the package crontabs: a glob, less
// what editors and package managers leave behind.
func redhatRunsName(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	for _, s := range []string{"~", ",", ".rpmsave", ".rpmorig", ".rpmnew", ".swp", ",v", ".cfsaved"} {
		if strings.HasSuffix(name, s) {
			return false
		}
	}
	return true
}
