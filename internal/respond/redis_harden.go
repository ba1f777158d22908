package respond

import (
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
)

func init() { optional = append(optional, planRedisRestart) }

// planRedisProtect plans to take back enable-protected-configs.
func planRedisProtect(m *Making, f *judge.Finding) {
	s := m.X.Service(f.Subject)
	if s == nil {
		return
	}
	server, ok := restartable(m, s, f)
	if !ok {
		return
	}
	file := s.Setting("enable-protected-configs").Origin.Path
	if file == "" {
		file = s.Config
	}
	m.Add(Step{
		Do: "redis.protect-configs", Phase: Harden, On: []fact.Ref{s.Ref}, Target: server.name(), Because: []string{f.ID}, Group: server.group(),
		What:   i18n.M("step.redis-protect", "port", server.Port, "path", file),
		Breaks: []i18n.Message{i18n.M("breaks.redis-protect")},
	}, redisLine{server, file, "enable-protected-configs", "no"})
}

// redisAccounts are the users that packages make for it.
var redisAccounts = []string{"redis", "valkey", "keydb"}

// planRedisUser plans to run it as a user of its own, if there is one.
func planRedisUser(m *Making, f *judge.Finding) {
	s := m.X.Service(f.Subject)
	if s == nil {
		return
	}
	i := slices.IndexFunc(redisAccounts, func(name string) bool {
		return slices.ContainsFunc(m.X.S.Account, func(a fact.Account) bool { return a.Name == name && a.UID != 0 })
	})
	if i < 0 {
		m.Leave("refuse.redis-no-user", "user", redisAccounts[0])
		return
	}
	server, ok := restartable(m, s, f)
	if !ok {
		return
	}
	if save := m.Find("redis.save", server.name()); save != nil {
		save.With = encode(redisSaveWith{server, redisAccounts[i]})
	}
	with := redisUserWith{Server: server, User: redisAccounts[i], DropIn: fact.Path("/etc/systemd/system/" + server.Unit + ".d/50-demine.conf")}
	m.Add(Step{
		Do: "redis.user", Phase: Harden, On: []fact.Ref{s.Ref}, Target: server.name(), Because: []string{f.ID}, Group: server.group(),
		What:   i18n.M("step.redis-user", "port", server.Port, "user", with.User, "path", with.DropIn),
		Breaks: []i18n.Message{i18n.M("breaks.redis-user", "user", with.User)},
	}, with)
}

func (s redisServer) group() string { return "redis-" + strconv.Itoa(s.Port) }

// restartable begins the group of a server that can be restarted. One that
// nobody knows how to start again is left.
func restartable(m *Making, s *fact.Service, f *judge.Finding) (redisServer, bool) {
	server, ok := serverOf(m, s)
	if !ok {
		return server, false
	}
	if server.Launch == nil || strings.ContainsRune(server.Unit, '/') {
		if !slices.ContainsFunc(m.left, func(l i18n.Message) bool { return l.ID == "refuse.redis-launcher" && l.Args["pid"] == server.PID }) {
			m.Leave("refuse.redis-launcher", "pid", server.PID)
		}
		return server, false
	}
	m.Add(Step{
		Do: "redis.save", Phase: Harden, On: []fact.Ref{s.Ref}, Target: server.name(), Because: []string{f.ID}, Group: server.group(),
		What: i18n.M("step.redis-save", "port", server.Port),
	}, redisSaveWith{Server: server})
	return server, true
}

// planRedisRestart ends each group: it runs after all others have planned.
func planRedisRestart(m *Making) {
	for _, first := range slices.Clone(m.steps) {
		if first.Do != "redis.save" {
			continue
		}
		with := redisRestartWith{}
		save, err := decode[redisSaveWith](first.With)
		if err != nil {
			continue
		}
		with.Server, with.Port = save.Server, save.Server.Port
		name := ""
		if u := m.Find("redis.user", first.Target); u != nil {
			if uw, err := decode[redisUserWith](u.With); err == nil {
				name = uw.User
			}
		}
		for _, a := range m.X.S.Account {
			if name != "" && a.Name == name {
				with.UID, with.GID = a.UID, a.GID
			}
		}
		m.Add(Step{
			Do: "redis.restart", Phase: Harden, On: first.On, Target: first.Target, Because: groupBecause(m, first.Group), Group: first.Group,
			What:   i18n.M("step.redis-restart", "unit", with.Server.Unit),
			Breaks: []i18n.Message{i18n.M("breaks.redis-restart", "clients", redisClients(m, with.Server))},
			Back:   i18n.M("back.redis-restart"),
		}, with)
	}
}

func groupBecause(m *Making, group string) []string {
	var out []string
	for _, s := range m.steps {
		if s.Group == group {
			out = union(out, s.Because)
		}
	}
	return out
}

// redisClients names who is connected: each program once, other hosts by
// address.
func redisClients(m *Making, s redisServer) []string {
	var out []string
	for i := range m.X.S.Socket {
		x := &m.X.S.Socket[i]
		if x.State != "ESTABLISHED" || x.Port != s.Port || !slices.ContainsFunc(m.X.Owners(x), func(p *fact.Process) bool { return p.PID == s.PID }) {
			continue
		}
		name := x.Peer.Unmap().String()
		for j := range m.X.S.Socket {
			y := &m.X.S.Socket[j]
			if y.Port == x.PeerPort && y.PeerPort == x.Port && y.Local.Unmap() == x.Peer.Unmap() {
				for _, p := range m.X.Owners(y) {
					name = p.Comm + " (" + strconv.Itoa(p.PID) + ")"
				}
			}
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
