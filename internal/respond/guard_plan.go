package respond

import (
	"slices"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
)

// keeps says why an accused process must not be stopped, as far as the snapshot
// tells: nobody stops a part of the system or of somebody's business because
// of what was found in it.
func (m *Making) keeps(p *fact.Process, fam family) (i18n.Message, bool) {
	because := func(id string, more ...any) (i18n.Message, bool) {
		return i18n.M(id, append([]any{"name", nameOf(p.Exe, p.Comm), "pid", p.PID}, more...)...), true
	}
	switch {
	case p.PID == 1:
		return because("refuse.init")
	case p.Kernel:
		return because("refuse.kernel")
	case m.isMine(p):
		return because("refuse.self")
	case keeper(p.Exe):
		return because("refuse.system")
	case server(p.Exe):
		return because("refuse.server")
	case p.ExeID == fact.FileID{}:
		return because("refuse.no-image")
	}
	accused := fam.Script != "" && relate.Script(p) == fam.Script // the script is, not what runs it
	if f := m.X.Image(p); f != nil && f.Package != "" && f.Verified != "changed" && !accused {
		return because("refuse.packaged", "package", f.Package)
	}
	if m.serves(p) {
		return because("refuse.serves")
	}
	return i18n.Message{}, false
}

// isMine: demine, or an ancestor of it.
func (m *Making) isMine(p *fact.Process) bool {
	self := m.X.PID(m.X.S.Host.Self)
	return self != nil && (p == self || slices.Contains(m.X.Ancestors(self), p))
}

// serves: clients of other hosts are connected to it, or processes of this host
// that are not of its own family.
func (m *Making) serves(p *fact.Process) bool {
	if m.X.Serves(p) > 0 {
		return true
	}
	for _, l := range m.X.Sockets(p) {
		if l.State == "LISTEN" && m.servesHere(p, l) {
			return true
		}
	}
	return false
}

func (m *Making) servesHere(p *fact.Process, l *fact.Socket) bool {
	kin := m.X.Family(p)
	for i := range m.X.S.Socket {
		c := &m.X.S.Socket[i] // the client's end
		if c.State != "ESTABLISHED" || c.PeerPort != l.Port || c.NetNS != l.NetNS || c.Proto[:3] != l.Proto[:3] ||
			!c.Peer.Unmap().IsLoopback() && c.Peer.Unmap() != c.Local.Unmap() {
			continue
		}
		for _, o := range m.X.Owners(c) {
			if !slices.Contains(kin, o) {
				return true
			}
		}
	}
	return false
}
