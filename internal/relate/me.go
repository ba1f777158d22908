package relate

import "demine/internal/fact"

// Me is how the operator who runs demine is connected.
type Me struct {
	SSHD *fact.Process // the ancestor that holds the connection; nil on a console
	Peer *fact.Socket  // its socket; nil when it could not be seen
}

// Me derives the connection from demine's own ancestry, not from
// SSH_CONNECTION: sudo drops that, and anyone can set it.
func (x *Index) Me() Me {
	self := x.PID(x.S.Host.Self)
	if self == nil {
		return Me{}
	}
	var m Me
	for _, p := range x.Ancestors(self) {
		if !p.SSHD() {
			continue
		}
		if m.SSHD == nil {
			m.SSHD = p
		}
		for _, s := range x.Sockets(p) {
			if s.State == "ESTABLISHED" && !s.Peer.Unmap().IsLoopback() {
				m.SSHD, m.Peer = p, s
				return m
			}
		}
	}
	return m
}
