package observe

import (
	"context"
	"path"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/redisconf"
	"demine/internal/host"
)

// readFile finds the configuration and reads it with what it includes.
func (r *redisLook) readFile(ctx context.Context, s *redisServer) {
	if f := s.info["config_file"]; strings.HasPrefix(f, "/") {
		s.config = fact.Path(f)
	}
	if s.config == "" {
		s.config = r.guess(s)
	}
	if s.config == "" {
		return
	}
	if !r.readInto(ctx, s, s.config, 0) {
		s.blind = true
		s.gaps = append(s.gaps, "config")
	}
}

// Bounds of files that include others, or themselves.
const (
	maxIncludes     = 16  // deep
	maxRedisConfigs = 100 // files of one server
)

// within is where a file of the server is found from the host.
func (s *redisServer) within(f fact.Path) fact.Path {
	if s.process.Container == "" {
		return f
	}
	return host.Join(pidPath(s.process.PID), "root"+path.Clean("/"+string(f)))
}

// readInto: later lines win, as in Redis itself. It reports whether the file
// could be read whole.
func (r *redisLook) readInto(ctx context.Context, s *redisServer, f fact.Path, depth int) bool {
	if s.opened++; s.opened > maxRedisConfigs || ctx.Err() != nil {
		return false
	}
	at := s.within(f)
	r.v.Allow(at)
	b, info, ok := r.p.read(r.v, at, maxConfig)
	if !ok {
		return false
	}
	for _, d := range redisconf.Parse(b) {
		value := strings.Join(d.Args, " ")
		switch {
		case d.Name == "include":
			for _, a := range d.Args {
				r.include(ctx, s, f, a, depth+1)
			}
			continue
		case d.Name == "user" || d.Name == "aclfile":
			s.acl = true
		case d.Name == "save" && value != "" && s.file["save"].value != "":
			value = s.file["save"].value + " " + value // its lines add up
		}
		s.file[d.Name] = fileValue{value, fact.Origin{Path: f, Line: d.Line}}
	}
	return info.Size <= int64(len(b))
}

// include reads what a file includes. A relative name is taken from the folder
// of that file. A pattern that nothing matches includes nothing.
func (r *redisLook) include(ctx context.Context, s *redisServer, from fact.Path, name string, depth int) {
	if !strings.HasPrefix(name, "/") {
		name = path.Join(path.Dir(string(from)), name)
	}
	root := s.within("/")
	whole := depth <= maxIncludes && s.opened < maxRedisConfigs && ctx.Err() == nil
	if whole {
		gaps := len(r.p.Gaps)
		found := r.p.glob(r.v, s.within(fact.Path(name)))
		whole = len(r.p.Gaps) == gaps // else a folder could not be listed
		for _, x := range found {
			inside := host.Join("/", strings.TrimPrefix(string(x), string(root)))
			whole = r.readInto(ctx, s, inside, depth) && whole
		}
	}
	if !whole && !s.blind {
		s.blind = true
		s.gaps = append(s.gaps, "include")
	}
}

// guess looks for the configuration of a server that does not tell: in the
// command of its unit, then by its port in the usual places.
func (r *redisLook) guess(s *redisServer) fact.Path {
	for i := range r.in.Autostart {
		a := &r.in.Autostart[i]
		if a.Kind != "unit" || a.Name != s.process.Unit || a.Name == "" {
			continue
		}
		for _, p := range a.Shell.Paths {
			if strings.HasSuffix(string(p), ".conf") {
				return p
			}
		}
	}
	port := s.argv["port"]
	if port == "" && len(s.sockets) > 0 {
		port = strconv.Itoa(s.sockets[0].Port)
	}
	for _, f := range []fact.Path{
		"/etc/redis/redis-" + fact.Path(port) + ".conf", "/etc/redis/" + fact.Path(port) + ".conf",
		"/etc/redis-" + fact.Path(port) + ".conf", "/etc/redis/redis.conf", "/etc/redis.conf", "/etc/valkey/valkey.conf",
	} {
		if b, _, err := r.v.ReadFile(f, maxConfig); err == nil && s.process.Container == "" && port == configuredPort(b) {
			return f
		}
	}
	return ""
}

func configuredPort(b []byte) string {
	port, secured := redisDefaults["port"], ""
	for _, d := range redisconf.Parse(b) {
		switch {
		case len(d.Args) != 1:
		case d.Name == "port":
			port = d.Args[0]
		case d.Name == "tls-port":
			secured = d.Args[0]
		}
	}
	if port == "0" { // then its title has the other
		return secured
	}
	return port
}
