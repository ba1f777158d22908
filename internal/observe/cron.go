package observe

import (
	"context"
	"path"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/crontab"
	"demine/internal/format/rdb"
	"demine/internal/host"
)

var cron = &Observer{
	Name:  "cron",
	Doc:   "crontabs of all layouts, periodic scripts and anacron's jobs, and whether the cron daemon that runs would run them",
	Sees:  []string{fact.KindAutostart},
	Needs: []string{"account", "process"},
	Reads: []string{
		"/etc/crontab", "/etc/cron.d", "/etc/cron.d/*", "/etc/anacrontab", "/etc/crontabs", "/etc/crontabs/*",
		"/var/spool/cron", "/var/spool/cron/*", "/var/spool/cron/crontabs/*", "/var/spool/cron/tabs/*",
		"/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly", "/etc/cron.yearly",
		"/etc/cron.hourly/*", "/etc/cron.daily/*", "/etc/cron.weekly/*", "/etc/cron.monthly/*", "/etc/cron.yearly/*",
		"/etc/periodic", "/etc/periodic/*", "/etc/periodic/*/*",
	},
	See: seeCron,
}

const (
	maxCrontab = 8 << 20
	maxJobs    = 5000 // of one host
	maxScript  = 1 << 20
)

// cronLook is one look at everything that cron runs.
type cronLook struct {
	v        *View
	p        Part
	daemons  []cronDaemon
	known    bool // processes were seen, so that no daemon means that none runs
	accounts map[string]*fact.Account
	seen     map[fact.FileID]bool
}

func seeCron(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	c := &cronLook{v: v, accounts: map[string]*fact.Account{}, seen: map[fact.FileID]bool{}}
	for i := range in.Account {
		c.accounts[in.Account[i].Name] = &in.Account[i]
	}
	c.daemons, c.known = cronDaemons(v, in.Process)
	for _, t := range c.tables() {
		if ctx.Err() != nil || len(c.p.Autostart) > maxJobs {
			break
		}
		c.table(t)
	}
	c.anacron()
	c.periodic()
	if over := len(c.p.Autostart) - maxJobs; over > 0 {
		c.p.Autostart = c.p.Autostart[:maxJobs]
		c.p.Gaps = append(c.p.Gaps, fact.Gap{Code: "too-many", What: "cron", Count: over})
	}
	c.p.Absent = len(c.p.Autostart) == 0 && len(c.daemons) == 0
	return c.p, ctx.Err()
}

// cronTable is one crontab, before it is read.
type cronTable struct {
	path    fact.Path
	user    string // whose own table it is; empty: it has a user column
	dialect crontab.Dialect
	anyMode bool
	dormant string
}

// tables lists the crontabs: those that a daemon reads come first, so that a
// folder with two names counts as the daemon knows it.
func (c *cronLook) tables() []cronTable {
	type reader struct {
		cronDaemon
		dormant string
	}
	var all []reader
	for _, d := range c.daemons {
		all = append(all, reader{d, ""})
	}
	why := "not-read"
	if len(c.daemons) == 0 {
		laidOut := reader{cronByLayout(c.v), ""}
		if c.known {
			why, laidOut.dormant = "no-daemon", "no-daemon"
		}
		all = append(all, laidOut)
	}
	for _, d := range cronLayouts {
		all = append(all, reader{d, why})
	}
	var out []cronTable
	system, spools := false, map[fact.Path]bool{}
	for _, r := range all {
		if r.system && !system {
			system = true
			out = append(out, c.system(r.cronDaemon, r.dormant)...)
		}
		if !spools[r.spool] {
			spools[r.spool] = true
			out = append(out, c.spool(r.cronDaemon, r.dormant)...)
		}
	}
	return out
}

func (c *cronLook) system(d cronDaemon, dormant string) []cronTable {
	t := cronTable{path: "/etc/crontab", dialect: d.dialect, anyMode: d.anyMode, dormant: dormant}
	out := []cronTable{t}
	for _, f := range c.p.list(c.v, "/etc/cron.d") {
		t.path, t.dormant = f, dormant
		if t.dormant == "" && !cronReads(d.dialect, path.Base(string(f))) {
			t.dormant = "bad-name"
		}
		out = append(out, t)
	}
	return out
}

func (c *cronLook) spool(d cronDaemon, dormant string) []cronTable {
	var out []cronTable
	c.v.Allow(d.spool)
	for _, f := range c.p.list(c.v, d.spool) {
		if i, err := c.v.Lstat(f); err == nil && i.Type == "dir" {
			continue // crontabs, tabs, atjobs, atspool
		}
		c.v.Allow(f)
		name := path.Base(string(f))
		t := cronTable{path: f, user: name, dialect: d.dialect, anyMode: d.anyMode, dormant: dormant}
		if t.dormant == "" && !spoolReads(d.dialect, name) {
			t.dormant = "bad-name"
		}
		out = append(out, t)
	}
	return out
}

// table reads one crontab and adds its jobs.
func (c *cronLook) table(t cronTable) {
	info, err := c.v.Stat(t.path)
	if err == nil && (info.Type == "dir" || c.seen[info.ID]) {
		return
	}
	b, info, ok := c.p.read(c.v, t.path, maxCrontab)
	if !ok || c.seen[info.ID] {
		return
	}
	c.seen[info.ID] = true
	if t.dormant == "" {
		t.dormant = c.refused(t, info)
	}
	o := crontab.Options{Dialect: t.dialect, System: t.user == ""}
	f := crontab.Parse(b, o)
	base := fact.Autostart{
		Kind: "cron", Origin: fact.Origin{Path: t.path}, User: t.user, Dialect: t.dialect.String(),
		Dormant: t.dormant, Mode: info.Mode, Modified: info.Modified, Changed: info.Changed,
	}
	if f.Ignored > 0 && base.Dormant == "" {
		base.Dormant, base.DormantAt = "bad-line", fact.Origin{Path: t.path, Line: f.Ignored}
	}
	if line := c.unknownUser(t, f); line > 0 && base.Dormant == "" {
		base.Dormant, base.DormantAt = "bad-line", fact.Origin{Path: t.path, Line: line}
	}
	mark, entries := dump(b)
	texts := map[string]bool{}
	for n, j := range f.Jobs {
		a := base
		if a.RDB = mark; n < maxTraced {
			a.RDB = withKey(mark, entries, j.Text)
		}
		c.job(a, j, texts)
	}
	c.packed(base, mark, entries, o, texts)
}

// dump tells whether a file is a Redis dump, and what it holds.
func dump(b []byte) (*fact.RDBMark, []rdb.Entry) {
	h, ok := rdb.Header(b)
	if !ok {
		return nil, nil
	}
	m := h.RDBMark
	return &m, rdb.Strings(b, maxDumped)
}

// maxDumped bounds the values of a dump that are looked at: a planted one has
// a few, the owner's dataset may have millions.
const maxDumped = 10_000

// maxTraced bounds the jobs of a dump whose key is looked for: a hostile file
// with very many of both would hold up the look.
const maxTraced = 20

// withKey names the key whose value holds a text.
func withKey(m *fact.RDBMark, entries []rdb.Entry, text string) *fact.RDBMark {
	if m == nil {
		return nil
	}
	mark := *m
	for _, e := range entries {
		if text != "" && strings.Contains(fact.Text([]byte(e.Value)), text) {
			mark.Key = shown(fact.Text([]byte(e.Key)))
			break
		}
	}
	return &mark
}

// packed adds the lines of a dump that its compression tore apart in the file:
// no cron runs them, but they tell what was meant.
func (c *cronLook) packed(base fact.Autostart, mark *fact.RDBMark, entries []rdb.Entry, o crontab.Options, texts map[string]bool) {
	for _, e := range entries {
		if !strings.Contains(e.Value, "\n") {
			continue
		}
		for _, j := range crontab.Parse([]byte(e.Value+"\n"), o).Jobs {
			if texts[j.Text] {
				continue
			}
			a := base
			m := *mark
			m.Key = shown(fact.Text([]byte(e.Key)))
			a.RDB, j.Line = &m, 0
			if a.Dormant == "" || a.Dormant == "bad-line" {
				a.Dormant, a.DormantAt = "compressed", fact.Origin{Path: base.Origin.Path}
			}
			c.job(a, j, texts)
		}
	}
}

// job adds one line. A NUL can hide a second job in a line: that one is named
// by its command too.
func (c *cronLook) job(a fact.Autostart, j crontab.Job, texts map[string]bool) {
	if len(c.p.Autostart) > maxJobs {
		return
	}
	id := j.Text
	if texts[id] {
		id += "\x00" + j.Command
	}
	texts[j.Text] = true
	a.Ref = fact.AutostartRef("cron", a.Origin.Path, id)
	a.Origin.Line = j.Line
	a.Text, a.Schedule = shown(j.Text), j.Schedule.String()
	a.Command, a.Stdin, a.Shell = shown(j.Command), shown(j.Stdin), shellOf(j.Command)
	if j.User != "" {
		a.User = j.User
		if a.Dormant == "" && !c.account(j.User) {
			a.Dormant = "no-account"
		}
	}
	a.Active = a.Dormant == ""
	c.p.Autostart = append(c.p.Autostart, a)
}

func (c *cronLook) account(name string) bool { return len(c.accounts) == 0 || c.accounts[name] != nil }

// unknownUser gives the line for which Debian's cron ignores a file whose user
// column names nobody.
func (c *cronLook) unknownUser(t cronTable, f crontab.File) int {
	if t.user != "" || t.dialect != crontab.Debian {
		return 0
	}
	i := slices.IndexFunc(f.Jobs, func(j crontab.Job) bool { return !c.account(j.User) })
	if i < 0 {
		return 0
	}
	return f.Jobs[i].Line
}

// refused says why the daemon would leave out a file for what it is: its mode,
// owner, links (process_crontab of Debian's and cronie's database.c,
// load_crontab of busybox's crond.c).
func (c *cronLook) refused(t cronTable, i host.Info) string {
	if t.user != "" && !c.account(t.user) {
		return "no-account"
	}
	if t.anyMode {
		return ""
	}
	switch t.dialect {
	case crontab.Debian:
		return c.debianRefuses(t, i)
	case crontab.Cronie:
		switch {
		case i.Mode&0o7533 != 0o400:
			return "bad-mode"
		case !c.ownedBy(t.user, i):
			return "bad-owner"
		case t.user != "" && i.Links > 1:
			return "bad-links"
		}
	case crontab.Busybox:
		if i.UID != 0 {
			return "bad-owner"
		}
	}
	return ""
}

func (c *cronLook) debianRefuses(t cronTable, i host.Info) string {
	link := i
	if l, err := c.v.Lstat(t.path); err == nil {
		link = l
	}
	switch {
	case t.user != "" && link.Type == "link":
		return "is-link"
	case !c.ownedBy(t.user, i), link.UID != 0 && t.user == "":
		return "bad-owner"
	case t.user != "" && i.Mode != 0o600, i.Mode&0o022 != 0:
		return "bad-mode"
	case i.Links > 1:
		return "bad-links"
	}
	return ""
}

func (c *cronLook) ownedBy(user string, i host.Info) bool {
	if i.UID == 0 {
		return true
	}
	a := c.accounts[user]
	return a != nil && a.UID == i.UID
}

// cronReads reports whether a daemon takes a name in cron.d (Debian: cron(8);
// cronie: not_a_crontab of database.c).
func cronReads(d crontab.Dialect, name string) bool {
	switch d {
	case crontab.Debian:
		return runPartsName(name)
	case crontab.Cronie:
		return spoolReads(d, name)
	}
	return false
}

// spoolReads is the same for tables of users; busybox wants no dot at all.
func spoolReads(d crontab.Dialect, name string) bool {
	switch d {
	case crontab.Debian:
		return !strings.HasPrefix(name, ".")
	case crontab.Busybox:
		return !strings.Contains(name, ".")
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") {
		return false
	}
	for _, s := range []string{"~", ".rpmsave", ".rpmorig", ".rpmnew"} {
		if strings.HasSuffix(name, s) {
			return false
		}
	}
	return true
}
