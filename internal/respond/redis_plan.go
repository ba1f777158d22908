package respond

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/unit"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// planRedisDisarm disarms the server that a finding accuses; for a file that
// some Redis wrote, every server that could have been it.
func planRedisDisarm(m *Making, f *judge.Finding) {
	for _, s := range redisBehind(m, f.Subject) {
		server, ok := serverOf(m, s)
		if !ok {
			continue
		}
		plants := plantsOf(m)
		dir := s.Setting("dir.configured").Value
		if dir == "" {
			dir = s.Setting("dir").Value
		}
		m.Add(Step{
			Do: "redis.disarm", Phase: Disarm, On: []fact.Ref{s.Ref}, Target: server.name(), Because: []string{f.ID}, Keeps: KeepsImplant,
			What:  i18n.M("step.redis-disarm", "port", server.Port, "pid", server.PID, "dir", dir, "n", len(plants)),
			Notes: []i18n.Message{i18n.M("breaks.redis-disarm")},
			Back:  i18n.M("back.redis-disarm"),
		}, redisDisarmWith{server, plants, !redisAccused(m, s.Ref)})
	}
}

// redisAccused reports whether a finding says of a server itself that it was turned.
func redisAccused(m *Making, service fact.Ref) bool {
	return slices.ContainsFunc(m.Scan.Findings, func(f judge.Finding) bool {
		return f.Subject == service && slices.Contains(f.Remedy, "redis.disarm")
	})
}

// redisBehind gives the services that a finding's subject leads to.
func redisBehind(m *Making, subject fact.Ref) []*fact.Service {
	if s := m.X.Service(subject); s != nil {
		return []*fact.Service{s}
	}
	var mark *fact.RDBMark
	if a := m.X.Autostart(subject); a != nil {
		mark = a.RDB
	}
	if k := m.X.Key(subject); k != nil {
		mark = k.RDB
	}
	if mark == nil {
		return redisOn(m, subject)
	}
	var out []*fact.Service
	for i := range m.X.S.Service {
		s := &m.X.S.Service[i]
		if s.Name == "redis" && (mark.Redis == "" || s.Version == "" || s.Version == mark.Redis) {
			out = append(out, s)
		}
	}
	return out
}

// redisOn gives the server behind a listener.
func redisOn(m *Making, exposure fact.Ref) []*fact.Service {
	for i := range m.X.Exposures {
		if e := &m.X.Exposures[i]; e.Ref == exposure {
			if s := m.X.ServiceOf(m.X.Process(e.Process)); s != nil && s.Name == "redis" {
				return []*fact.Service{s}
			}
		}
	}
	return nil
}

// serverOf says which process a service is, and how it is started. What cannot
// be reached is left, with the reason.
func serverOf(m *Making, s *fact.Service) (redisServer, bool) {
	p := m.X.Process(s.Process)
	if s.Name != "redis" || p == nil || len(s.Ports) == 0 {
		return redisServer{}, false
	}
	if p.Container != "" || slices.Contains(s.Gaps, "other-namespace") {
		m.Leave("refuse.redis-namespace", "pid", p.PID)
		return redisServer{}, false
	}
	port := s.Ports[0]
	if n, err := strconv.Atoi(s.Setting("port").Value); err == nil && n > 0 {
		port = n
	}
	out := redisServer{PID: p.PID, Start: p.StartTicks, Port: port, Config: s.Config, Unit: p.Unit, Launch: launchOf(m, p)}
	return out, true
}

// name is how the server is named to people and in Target.
func (s redisServer) name() string { return "redis:" + strconv.Itoa(s.Port) }

// launchOf gives the words with which the unit of a process starts it, or nil.
func launchOf(m *Making, p *fact.Process) []string {
	if p.Unit == "" || strings.Contains(p.Unit, "@") && strings.HasPrefix(p.Unit, "user@") || path.Ext(p.Unit) != ".service" {
		return nil
	}
	for i := range m.X.S.Autostart {
		a := &m.X.S.Autostart[i]
		if a.Kind != "unit" || a.Name != p.Unit {
			continue
		}
		for line := range strings.SplitSeq(a.Command, "\n") {
			if w := unit.Exec(line); len(w) > 0 && redisProgram.MatchString(path.Base(w[0])) {
				return w
			}
		}
	}
	return nil
}
