package observe

import (
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// told is what the command line or the file says, "" for nothing.
func (s *redisServer) told(name string) string {
	if v, ok := s.argv[name]; ok {
		return v
	}
	return s.file[name].value
}

// tlsPort is where it speaks TLS and nothing else, 0 for nowhere that is known
// (redis.conf, tls-port).
func (s *redisServer) tlsPort() int {
	n, _ := strconv.Atoi(s.told("tls-port"))
	return n
}

// certificates: at its TLS port it lets nobody in without one, as it does unless
// it is told otherwise (redis.conf, tls-auth-clients).
func (s *redisServer) certificates() bool {
	v := strings.ToLower(s.told("tls-auth-clients"))
	return v != "no" && v != "optional"
}

// onlyTLS: it can be reached in no other way.
func (s *redisServer) onlyTLS() bool {
	at := s.tlsPort()
	return at != 0 && len(s.sockets) > 0 && !slices.ContainsFunc(withoutBus(ports(s.sockets)), func(n int) bool { return n != at })
}

// secured are those of its sockets at which it speaks TLS; where no file says so
// they may be all that did not answer otherwise.
func (s *redisServer) secured() []fact.Socket {
	at := s.tlsPort()
	return slices.DeleteFunc(slices.Clone(s.sockets), func(x fact.Socket) bool {
		return x.Port != at && (at != 0 || s.config != "" && !s.blind)
	})
}

// authAt are the ports that what it asks for is said of: not one at which it
// asks for a certificate as well, when there are others.
func (s *redisServer) authAt(all []int) []int {
	return slices.DeleteFunc(withoutBus(all), func(n int) bool { return n == s.tlsPort() && s.certificates() && !s.onlyTLS() })
}
