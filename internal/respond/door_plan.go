package respond

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// planDoor shuts the doors of a confirmed incident: the listeners of its story
// that others can reach without a password.
func planDoor(m *Making, in *explain.Incident) {
	var ports []*relate.Exposure // one of the listeners of each port
	for i := range m.X.Exposures {
		e := &m.X.Exposures[i]
		if !slices.Contains(storyOf(in), e.Ref) || !doorOpen(m, e) {
			continue
		}
		if !slices.ContainsFunc(ports, func(o *relate.Exposure) bool { return o.Proto == e.Proto && o.Port == e.Port }) {
			ports = append(ports, e)
		}
	}
	for _, e := range ports {
		planShut(m, in, e)
	}
}

// storyOf are the facts that the incident's story is about: the nodes of its
// graph, and what speaks for its likeliest cause, if that is confirmed: a door
// that merely stands open beside an incident is no part of it.
func storyOf(in *explain.Incident) []fact.Ref {
	var out []fact.Ref
	for _, n := range in.Graph.Nodes {
		out = append(out, n.Ref)
	}
	if len(in.Causes) > 0 && in.Causes[0].Certainty == judge.Confirmed {
		for _, e := range in.Causes[0].For {
			out = append(out, e.About)
		}
	}
	return out
}

// doorOpen reports whether a listener is a door that a rule on this host's
// input can shut; it says so where one could expect it and it is not.
func doorOpen(m *Making, e *relate.Exposure) bool {
	switch {
	case e.From == "local" || e.From == "nobody":
		return false
	case e.Auth != "none":
		m.Leave("left.door.auth", "listener", e.Listener, "service", e.Service)
		return false
	case len(e.Published) > 0 || e.Why == "nat" || strings.HasSuffix(string(e.Exe), "/docker-proxy"):
		m.Leave("left.door.published", "listener", e.Listener, "command", publishedDrop(e))
		return false
	case e.Apart:
		m.Leave("left.door.namespace", "listener", e.Listener)
		return false
	case servesSSH(m.X, e.Port):
		m.Leave("left.door.ssh", "port", e.Port)
		return false
	}
	return true
}

// publishedDrop is a command that closes a published port, whatever the port of
// its container is.
func publishedDrop(e *relate.Exposure) string {
	port, tool := e.Port, "iptables"
	if len(e.Published) > 0 {
		if at, err := netip.ParseAddrPort(e.Published[0]); err == nil {
			port = int(at.Port())
		}
	}
	if e.V4 == "nobody" && e.V6 != "" && e.V6 != "nobody" {
		tool = "ip6tables"
	}
	return fmt.Sprintf("%s -I DOCKER-USER -p %s -m conntrack --ctorigdstport %d --ctdir ORIGINAL -j DROP", tool, e.Proto, port)
}

// sshNames are what a process that lets operators in calls itself.
var sshNames = []string{"sshd", "sshd-session", "sshd-auth", "dropbear"}

// servesSSH reports whether operators come in by a port: SSH listens on it, or
// it is the one by which whoever runs demine is connected.
func servesSSH(x *relate.Index, port int) bool {
	if port == 22 {
		return true
	}
	if me := x.Me(); me.Peer != nil && me.Peer.Port == port {
		return true
	}
	for i := range x.S.Socket {
		s := &x.S.Socket[i]
		if s.Port != port {
			continue
		}
		for _, p := range x.Owners(s) {
			if slices.Contains(sshNames, p.Comm) {
				return true
			}
		}
	}
	return false
}

func planShut(m *Making, in *explain.Incident, e *relate.Exposure) {
	c := clientsOf(m.X, e)
	bad := intruders(m.X, in)
	keep, who := keptSources(m, c, bad, samePort(shutsIn(m.X.S.Firewall), Shut{Proto: e.Proto, Port: e.Port}))
	m.Add(Step{
		Do: "door.shut", Phase: Door, Keeps: KeepsDoor, Target: fmt.Sprintf("%s/%d", e.Proto, e.Port),
		On: listenersOf(m.X, e), Because: becauseOf(m, in, e),
		What:   i18n.M("door.what", "proto", e.Proto, "port", e.Port, "service", e.Service, "keep", who),
		Breaks: doorBreaks(c, keep, bad, e.Port), Notes: doorNotes(c, e.Port),
		Back: i18n.M("door.back"),
	}, doorWith{Shut{Proto: e.Proto, Port: e.Port, Keep: keep}.normal()})
}

func listenersOf(x *relate.Index, e *relate.Exposure) (out []fact.Ref) {
	for i := range x.Exposures {
		if o := &x.Exposures[i]; o.Proto == e.Proto && o.Port == e.Port && o.NetNS == e.NetNS {
			out = append(out, o.Ref)
		}
	}
	return out
}

// becauseOf are the findings about the listeners of a port, else those of the
// incident.
func becauseOf(m *Making, in *explain.Incident, e *relate.Exposure) (out []string) {
	on := listenersOf(m.X, e)
	for i := range m.Scan.Findings {
		if slices.Contains(on, m.Scan.Findings[i].Subject) {
			out = append(out, m.Scan.Findings[i].ID)
		}
	}
	if len(out) == 0 {
		return slices.Clone(in.Findings)
	}
	return out
}

func doorBreaks(c clients, keep []netip.Prefix, bad []netip.Addr, port int) []i18n.Message {
	var out []i18n.Message
	for _, p := range c.remote {
		switch {
		case slices.Contains(bad, p.addr):
			out = append(out, i18n.M("door.breaks.intruder", "addr", p.addr.String(), "n", p.n))
		case covered(keep, p.addr):
			out = append(out, i18n.M("door.breaks.kept", "addr", p.addr.String(), "n", p.n))
		default:
			out = append(out, i18n.M("door.breaks.cut", "addr", p.addr.String(), "n", p.n))
		}
	}
	return append(out, i18n.M("door.breaks.others", "port", port))
}

// doorNotes: who goes on, and what is not seen.
func doorNotes(c clients, port int) []i18n.Message {
	var out []i18n.Message
	if len(c.local) > 0 {
		out = append(out, i18n.M("door.breaks.local", "names", c.local))
	}
	return append(out, i18n.M("door.breaks.cloud", "port", port))
}
