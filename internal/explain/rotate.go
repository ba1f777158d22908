package explain

import (
	"slices"

	"demine/internal/fact"
	"demine/internal/i18n"
)

// advice: whoever could write root's files or run as root could change
// anything: such a host is rebuilt once the service runs again.
func (sc *scene) advice() (string, i18n.Message, []i18n.Message) {
	accounts, cells := sc.accounts(), sc.cells()
	var rotate []i18n.Message
	if len(accounts) > 0 || len(cells) == 0 {
		rotate = sc.rotate(accounts)
	}
	for _, p := range cells {
		rotate = append(rotate, i18n.M("rotate.container", "container", sc.home(p)))
	}
	unknown := func(p *fact.Process) bool { return sc.x.ContainerOf(p) == nil }
	switch {
	case slices.Contains(accounts, "root"):
		return "rebuild", i18n.M("advice.rebuild"), rotate
	case slices.ContainsFunc(cells, unknown):
		return "clean", i18n.M("advice.container-unknown"), rotate
	case len(cells) > 0:
		return "clean", i18n.M("advice.container"), rotate
	}
	return "clean", i18n.M("advice.clean"), rotate
}

// cells are implants that a container keeps from the host, one of each
// container.
func (sc *scene) cells() []*fact.Process {
	var out []*fact.Process
	for _, p := range sc.implantProcesses() {
		same := func(q *fact.Process) bool { return sc.home(q) == sc.home(p) }
		if sc.x.Confined(p) && !slices.ContainsFunc(out, same) {
			out = append(out, p)
		}
	}
	return out
}

// accounts are those of the host in which the intruder could act: of the
// implants, of what starts them, of planted keys. Who a process in a container
// is says nothing of the host, and names are those of the host.
func (sc *scene) accounts() []string {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, a := range sc.autostarts {
		if a.User == "" {
			add("root")
		} else {
			add(a.User)
		}
	}
	for _, k := range sc.keys {
		add(k.Account)
	}
	for _, p := range sc.implantProcesses() {
		switch {
		case sc.x.Confined(p):
		case p.UID == 0:
			add("root")
		case p.User != "":
			add(p.User)
		}
	}
	return out
}

// mostRotated is how many files of credentials are named.
const mostRotated = 50

// rotate lists what an intruder in these accounts could have read, and must be
// changed: with root everything.
func (sc *scene) rotate(accounts []string) []i18n.Message {
	root := slices.Contains(accounts, "root")
	var out []i18n.Message
	if root {
		out = append(out, i18n.M("rotate.host-keys"))
	}
	for i := range sc.x.S.Account {
		if a := &sc.x.S.Account[i]; a.Password == "set" && (root || slices.Contains(accounts, a.Name)) {
			out = append(out, i18n.M("rotate.password", "account", a.Name))
		}
	}
	if root {
		out = append(out, sc.rotateServices()...)
	}
	out = append(out, sc.rotateFiles(accounts, root)...)
	seen := func(c fact.Coverage) bool { return c.Observer == fact.KindCredential && c.Complete() }
	if !slices.ContainsFunc(sc.x.S.Coverage, seen) {
		out = append(out, i18n.M("rotate.not-seen"))
	}
	return out
}

// rotateServices: passwords in the settings of services, and those by which
// programs use databases.
func (sc *scene) rotateServices() []i18n.Message {
	var out []i18n.Message
	for i := range sc.x.S.Service {
		if s := &sc.x.S.Service[i]; s.Secret.Set {
			out = append(out, i18n.M("rotate.service", "service", s.Name, "config", s.Config.String()))
		}
	}
	seen := map[fact.Path]bool{}
	for i := range sc.x.Exposures {
		e := &sc.x.Exposures[i]
		if sc.x.Process(e.Process) != nil && slices.Contains(databases, e.Service) && !seen[e.Exe] {
			seen[e.Exe] = true
			out = append(out, i18n.M("rotate.database", "service", e.Service))
		}
	}
	return out
}

// rotateFiles: keys, tokens and settings that one of the accounts can read.
func (sc *scene) rotateFiles(accounts []string, root bool) []i18n.Message {
	var out []i18n.Message
	more := 0
	for i := range sc.x.S.Credential {
		c := &sc.x.S.Credential[i]
		reads := func(who string) bool { return who == "everyone" || slices.Contains(accounts, who) }
		switch {
		case !root && !slices.ContainsFunc(c.Readers, reads):
		case len(out) == mostRotated:
			more++
		default:
			out = append(out, i18n.M("rotate.credential", "what", i18n.M("rotate.kind."+c.Kind), "path", c.Path))
		}
	}
	if more > 0 {
		out = append(out, i18n.M("rotate.more", "n", more))
	}
	return out
}

// databases are programs whose credentials an application keeps on the host.
var databases = []string{"mysqld", "mariadbd", "postgres", "mongod", "redis", "redis-server", "clickhouse-server", "java"}
