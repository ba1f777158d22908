package respond

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
)

func init() {
	optional = append(optional, planRedisGroups, planRedisPassword, planRedisPort, planRedisBind, planRedisRestart)
}

// planRedisProtect plans to take back enable-protected-configs.
func planRedisProtect(m *Making, f *judge.Finding) {
	s := m.X.Service(f.Subject)
	if s == nil {
		return
	}
	server, ok := restartable(m, s, f.ID)
	if !ok {
		return
	}
	file := fileOf(s, "enable-protected-configs")
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
	server, ok := restartable(m, s, f.ID)
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
func restartable(m *Making, s *fact.Service, because ...string) (redisServer, bool) {
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
		Do: "redis.save", Phase: Harden, On: []fact.Ref{s.Ref}, Target: server.name(), Because: because, Group: server.group(),
		What: i18n.M("step.redis-save", "port", server.Port),
	}, redisSaveWith{Server: server})
	return server, true
}

// planRedisGroups begins the groups of what is asked for and needs a restart.
func planRedisGroups(m *Making) {
	if m.Req.RedisPort == 0 && len(m.Req.RedisBind) == 0 {
		return
	}
	for _, s := range reachable(m) {
		restartable(m, s)
	}
}

// planRedisPort and planRedisBind are about every server that can be reached
// from outside.
func planRedisPort(m *Making) {
	if m.Req.RedisPort == 0 {
		return
	}
	if m.Req.RedisPort < 1024 || m.Req.RedisPort > 65535 {
		m.Leave("refuse.redis-low-port", "port", m.Req.RedisPort)
		return
	}
	servers := reachable(m)
	if len(servers) > 1 {
		m.Leave("refuse.redis-port-several", "port", m.Req.RedisPort, "n", len(servers))
		return
	}
	for _, s := range servers {
		server, ok := restartable(m, s)
		if !ok {
			continue
		}
		with := redisPortWith{server, fileOf(s, "port"), m.Req.RedisPort, m.Req.ClientConfig}
		m.Add(Step{
			Do: "redis.port", Phase: Harden, On: []fact.Ref{s.Ref}, Target: server.name(), Group: server.group(),
			What:   i18n.M("step.redis-port", "port", server.Port, "to", with.Port),
			Breaks: []i18n.Message{i18n.M("breaks.redis-port", "clients", redisClients(m, server))},
		}, with)
	}
}

func planRedisBind(m *Making) {
	if len(m.Req.RedisBind) == 0 {
		return
	}
	for _, a := range m.Req.RedisBind {
		if _, err := netip.ParseAddr(strings.TrimPrefix(a, "-")); err != nil {
			m.Leave("refuse.redis-bind", "address", a)
			return
		}
	}
	for _, s := range reachable(m) {
		server, ok := restartable(m, s)
		if !ok {
			continue
		}
		with := redisLine{server, fileOf(s, "bind"), "bind", strings.Join(m.Req.RedisBind, " ")}
		m.Add(Step{
			Do: "redis.bind", Phase: Harden, On: []fact.Ref{s.Ref}, Target: server.name(), Group: server.group(), Keeps: KeepsDoor,
			What:   i18n.M("step.redis-bind", "port", server.Port, "to", m.Req.RedisBind),
			Breaks: []i18n.Message{i18n.M("breaks.redis-bind", "clients", redisClients(m, server))},
		}, with)
	}
}

// reachable are the servers that listen beyond loopback.
func reachable(m *Making) []*fact.Service {
	var out []*fact.Service
	for i := range m.X.S.Service {
		s := &m.X.S.Service[i]
		if s.Name != "redis" {
			continue
		}
		p := m.X.Process(s.Process)
		if p != nil && slices.ContainsFunc(m.X.Sockets(p), func(x *fact.Socket) bool { return x.State == "LISTEN" && !x.Local.IsLoopback() }) {
			out = append(out, s)
		}
	}
	return out
}

// fileOf is the file in which a setting stands, or would stand.
func fileOf(s *fact.Service, name string) fact.Path {
	if p := s.Setting(name).Origin.Path; p != "" {
		return p
	}
	return s.Config
}

// planRedisPassword plans a password for every server that has none and is not
// for this host alone, if it was asked for.
func planRedisPassword(m *Making) {
	if !m.Req.RedisPassword {
		return
	}
	for i := range m.X.S.Service {
		s := &m.X.S.Service[i]
		if s.Name != "redis" || s.Auth != "none" {
			continue
		}
		server, ok := serverOf(m, s)
		if !ok {
			continue
		}
		file := fileOf(s, "requirepass")
		if file == "" {
			m.Leave("refuse.redis-config-unread")
			continue
		}
		with := redisPasswordWith{Server: server, File: file, Clients: m.Req.ClientConfig}
		group := ""
		if m.Find("redis.save", server.name()) != nil {
			group = server.group()
			with.UID, with.GID = plannedUser(m, server.name())
		}
		m.Add(Step{
			Do: "redis.requirepass", Phase: Harden, On: []fact.Ref{s.Ref}, Target: server.name(), Because: passwordBecause(m, s), Group: group, Keeps: KeepsDoor,
			What:   i18n.M("step.redis-requirepass", "port", server.Port, "path", file),
			Breaks: []i18n.Message{i18n.M("breaks.redis-requirepass", "clients", redisClients(m, server), "files", len(with.Clients))},
			Back:   i18n.M("back.redis-requirepass"),
		}, with)
	}
}

// passwordBecause are the findings that wish for a password.
func passwordBecause(m *Making, s *fact.Service) []string {
	var out []string
	for _, f := range m.Scan.Findings {
		if slices.Contains(f.Remedy, "redis.requirepass") && slices.Contains(redisOn(m, f.Subject), s) {
			out = append(out, f.ID)
		}
	}
	return out
}

// plannedUser is whom a server will run as after the plan, or 0.
func plannedUser(m *Making, target string) (uid, gid int) {
	u := m.Find("redis.user", target)
	if u == nil {
		return 0, 0
	}
	with, err := decode[redisUserWith](u.With)
	if err != nil {
		return 0, 0
	}
	for _, a := range m.X.S.Account {
		if a.Name == with.User {
			return a.UID, a.GID
		}
	}
	return 0, 0
}

// planRedisRestart ends each group: it runs after all others have planned.
func planRedisRestart(m *Making) {
	for _, first := range slices.Clone(m.steps) {
		if first.Do != "redis.save" {
			continue
		}
		if n := len(groupSteps(m, first.Group)); n < 2 { // what was asked for is left
			m.steps = slices.DeleteFunc(m.steps, func(s Step) bool { return s.Group == first.Group })
			continue
		}
		with := redisRestartWith{}
		save, err := decode[redisSaveWith](first.With)
		if err != nil {
			continue
		}
		with.Server, with.Port = save.Server, save.Server.Port
		with.UID, with.GID = plannedUser(m, first.Target)
		if m.Find("redis.port", first.Target) != nil {
			with.Port = m.Req.RedisPort
		}
		m.Add(Step{
			Do: "redis.restart", Phase: Harden, On: first.On, Target: first.Target, Because: groupBecause(m, first.Group), Group: first.Group,
			What:   i18n.M("step.redis-restart", "unit", with.Server.Unit),
			Breaks: []i18n.Message{i18n.M("breaks.redis-restart", "clients", redisClients(m, with.Server))},
			Back:   i18n.M("back.redis-restart"),
		}, with)
	}
}

func groupSteps(m *Making, group string) []Step {
	var out []Step
	for _, s := range m.steps {
		if s.Group == group {
			out = append(out, s)
		}
	}
	return out
}

func groupBecause(m *Making, group string) []string {
	var out []string
	for _, s := range groupSteps(m, group) {
		out = union(out, s.Because)
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
