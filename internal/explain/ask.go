package explain

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
)

// asks are the functions that hypotheses have beside those of rules.
func (sc *scene) asks() map[string]any {
	return map[string]any{
		"like": likeOne, "is": sc.is, "inside": sc.inside, "home": sc.home, "tells": tells, "refused": refused,
		"failures": sc.failures, "login": sc.login, "began_in": sc.beganIn, "new_key": sc.newKey,
	}
}

// like reports whether a name, or a path, is like one of the patterns, in which
// * stands for any characters, slashes too. An empty name is like none.
func like(name string, patterns []string) bool {
	return name != "" && slices.ContainsFunc(patterns, func(p string) bool { return glob(p, name) })
}

// glob goes back to the last * only, so it takes no longer than the product of
// the two lengths.
func glob(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// likeOne is like for expressions, in which a list that stands there is one of
// anything.
func likeOne(name, patterns any) bool {
	text, ok := name.(string)
	if !ok {
		text = fmt.Sprint(name)
	}
	if list, ok := patterns.([]any); ok {
		return slices.ContainsFunc(list, func(p any) bool { return like(text, []string{fmt.Sprint(p)}) })
	}
	list, _ := patterns.([]string)
	return like(text, list)
}

// is reports whether a process is the service of a hypothesis: one that is
// known (services/) by its name; another by an argument, or by its program
// where no argument is like not_argv. An implant is none, whatever it calls
// itself.
func (sc *scene) is(p *fact.Process, with map[string][]string) bool {
	if p.Kernel || sc.implanted()[p.Ref] {
		return false
	}
	if s := sc.x.ServiceOf(p); s != nil {
		return like(s.Name, with["names"])
	}
	argv := func(patterns []string) bool {
		return slices.ContainsFunc(p.Argv, func(a string) bool { return like(a, patterns) })
	}
	return argv(with["argv"]) || like(path.Base(string(p.Exe)), with["programs"]) && !argv(with["not_argv"])
}

// starters are units of which everything may be that somebody made the host
// start: being in one of them together tells nothing.
var starters = []string{
	"cron.service", "crond.service", "anacron.service", "atd.service", "ssh.service", "sshd.service",
	"ssh@*.service", "sshd@*.service",
	"user@*", "*.scope", "docker.service",
	"containerd.service", "k3s*.service", "kubelet.service", "systemd-*", "rc-local.service",
}

// inside: its cgroup is that of the service, which it can only have come to
// by being started by what runs there; it stays in it when its parents are gone.
// Anybody can name a unit or an image like one of a service: the service itself
// must run there, or the name be one of the distribution's own.
func (sc *scene) inside(p *fact.Process, with map[string][]string) bool {
	if sc.theirs(p) || p.Container == "" && (p.Unit == "" || like(p.Unit, starters)) {
		return false
	}
	if me := sc.x.PID(sc.x.S.Host.Self); p.Container != "" && me != nil && me.Container == p.Container {
		return false // demine's own container is the whole host to it
	}
	if p.Container == "" && slices.Contains(with["units"], p.Unit) && !sc.ownUnit(p.Unit) {
		return true
	}
	named := p.Container == "" && like(p.Unit, with["units"])
	if c := sc.x.ContainerOf(p); c != nil && like(c.Image, with["images"]) {
		named = true
	}
	return slices.ContainsFunc(pointers(sc.x.S.Process), func(q *fact.Process) bool {
		return q != p && together(p, q) && sc.is(q, with) && (named || sc.heads(q))
	})
}

// theirs: the unit or the container that it runs in is there for an implant.
func (sc *scene) theirs(p *fact.Process) bool {
	if p.Container != "" {
		c := sc.x.ContainerOf(p)
		return c != nil && (c.PID == p.PID || len(c.Argv) > 0 && path.Base(string(p.Exe)) == path.Base(c.Argv[0]))
	}
	return slices.ContainsFunc(sc.autostarts, func(a *fact.Autostart) bool {
		return slices.Contains([]string{"unit", "timer"}, a.Kind) && strings.TrimSuffix(a.Name, path.Ext(a.Name)) == strings.TrimSuffix(p.Unit, path.Ext(p.Unit))
	})
}

// ownUnit: somebody on this host wrote the unit, no package did.
func (sc *scene) ownUnit(name string) bool {
	return slices.ContainsFunc(sc.x.S.Autostart, func(a fact.Autostart) bool {
		return a.Kind == "unit" && a.Name == name && a.Package == ""
	})
}

func together(p, q *fact.Process) bool {
	return p.Container == q.Container && (p.Container != "" || p.Unit == q.Unit)
}

// wrappers start one program and wait for it, or become it.
var wrappers = []string{"sh", "bash", "dash", "ash", "busybox", "tini", "tini-static",
	"dumb-init", "docker-init", "catatonit", "su", "runuser", "gosu", "npm", "node"}

// heads: the unit or container is there for this process, which nothing in it
// started but a wrapper. Where something starts several, as Supervisor does,
// being in it with one of them tells nothing.
func (sc *scene) heads(q *fact.Process) bool {
	for _, a := range sc.x.Ancestors(q) {
		if !together(a, q) {
			return true
		}
		if a.PID > 1 && !like(path.Base(string(a.Exe)), wrappers) {
			return path.Base(string(a.Exe)) == path.Base(string(q.Exe))
		}
	}
	return true
}

// home is how the place is called that a process runs in.
func (sc *scene) home(p *fact.Process) string {
	switch c := sc.x.ContainerOf(p); {
	case c != nil && c.Name != "":
		return c.Name
	case p.Container != "":
		return p.Container[:min(12, len(p.Container))]
	}
	return p.Unit
}

// tells: the event is an attack on the service. Kinds stand in events and
// not_events by themselves, or as KIND/SERVICE.
func tells(e *fact.LogEvent, with map[string][]string) bool {
	in := func(kinds []string) bool { return slices.Contains(kinds, e.Kind) || like(e.Kind+"/"+e.Service, kinds) }
	return in(with["events"]) && !in(with["not_events"])
}

// redirects are the attacks that are answered with a redirect when they work.
var redirects = []string{"ognl", "react-flight", "weblogic-console"}

// refused: the server turned the request of an attack away, or elsewhere. Those
// that work while the request is read or logged are of other kinds.
func refused(e *fact.LogEvent) bool {
	from := 300
	if slices.Contains(redirects, e.Marker) {
		from = 400
	}
	return e.Kind == "web-exploit" && e.Status >= from && e.Status < 500
}

// failures is how many passwords of the same address were refused in the week
// before a login. What sshd writes and what btmp holds are the same attempts. Of
// many in one event that go on after the login only the first is known to come
// before it.
func (sc *scene) failures(e *fact.LogEvent) int {
	const week = 7 * 24 * time.Hour
	n := map[string]int{}
	for i := range sc.x.S.Log {
		f := &sc.x.S.Log[i]
		if f.From == e.From && e.From != "" && !f.Time.After(e.Time) && e.Time.Sub(f.Time) < week {
			if f.Until.After(e.Time) {
				n[f.Kind]++
				continue
			}
			n[f.Kind] += max(1, f.Count)
		}
	}
	return max(n["ssh-failed"], n["login-failed"])
}

// guessed is how many refused passwords make the one that is then accepted a
// guessed one: nobody mistypes that often.
const guessed = 20

// login says what kind of login it is: guessed; neighbour (from a host of the
// same network); key, password (neither was used before, or not from that
// address, as far as the logs go back); known; mine (of whoever runs demine).
func (sc *scene) login(e *fact.LogEvent) string {
	from, _ := netip.ParseAddr(e.From)
	switch {
	case sc.isMine(e, from):
		return "mine"
	case e.Method != "publickey" && sc.failures(e) >= guessed:
		return "guessed"
	case sc.neighbour(from):
		return "neighbour"
	case e.Method == "publickey" && (sc.newKey(e) || sc.newAddress(e)):
		return "key"
	case e.Method != "publickey" && sc.newAddress(e):
		return "password"
	}
	return "known"
}

// isMine: it is the login in whose session demine runs, or another of the same
// address that is like it. The address alone tells nobody apart behind a bastion
// or NAT: another key, another account, or an implant in that very session is
// somebody else. Where demine's own login is not in the logs, it is all there is.
func (sc *scene) isMine(e *fact.LogEvent, from netip.Addr) bool {
	self := sc.x.PID(sc.x.S.Host.Self)
	if self != nil && sc.beganIn(self, e) {
		return true
	}
	peer := sc.x.Me().Peer
	if peer == nil || !from.IsValid() || peer.Peer.Unmap() != from.Unmap() {
		return false
	}
	if slices.ContainsFunc(sc.all(), func(p *fact.Process) bool { return sc.beganIn(p, e) }) {
		return false
	}
	i := slices.IndexFunc(sc.x.S.Log, func(o fact.LogEvent) bool { return o.Kind == "ssh-accepted" && sc.beganIn(self, &o) })
	if i < 0 {
		return true
	}
	own := &sc.x.S.Log[i]
	return own.Method == e.Method && own.User == e.User && own.Key == e.Key
}

// neighbour: the address is of a network that this host is in, or of one that
// the Internet does not lead to (RFC 1918, RFC 4193).
func (sc *scene) neighbour(from netip.Addr) bool {
	if !from.IsValid() || from.IsLoopback() {
		return false
	}
	return from.Unmap().IsPrivate() || slices.ContainsFunc(sc.x.S.Network, func(n fact.Network) bool {
		return n.Own && slices.ContainsFunc(n.Interfaces, func(i fact.Interface) bool {
			return slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool {
				return p.Bits() > 0 && p.Masked().Contains(from.Unmap())
			})
		})
	})
}

// newKey and newAddress: the logs hold logins from before this one, and none
// with that key, or from that address.
func (sc *scene) newKey(e *fact.LogEvent) bool {
	return e.Key != "" && sc.first(e, func(o *fact.LogEvent) string { return o.Key })
}

func (sc *scene) newAddress(e *fact.LogEvent) bool {
	return e.From != "" && sc.first(e, func(o *fact.LogEvent) string { return o.From })
}

func (sc *scene) first(e *fact.LogEvent, of func(*fact.LogEvent) string) bool {
	reach := false
	for i := range sc.x.S.Log {
		o := &sc.x.S.Log[i]
		if o.Kind != "ssh-accepted" || o.Time.IsZero() || !o.Time.Before(e.Time) || of(o) == "" {
			continue
		}
		if of(o) == of(e) {
			return false
		}
		reach = true
	}
	return reach
}

// entries are the logins that an intruder can have come by: shortly before the
// first artefact, or those whose session an implant was started in.
func (sc *scene) entries(moments []time.Time, implants []*fact.Process) (out []*fact.LogEvent) {
	for i := range sc.x.S.Log {
		e := &sc.x.S.Log[i]
		if e.Kind != "ssh-accepted" || e.Time.IsZero() {
			continue
		}
		before := func(t time.Time) bool { d := t.Sub(e.Time); return d > -time.Second && d <= around }
		if slices.ContainsFunc(moments, before) || slices.ContainsFunc(implants, func(p *fact.Process) bool { return sc.beganIn(p, e) }) {
			out = append(out, e)
		}
	}
	return out
}

// beganIn: the process is below the sshd that accepted the login, or in its
// session (logind puts that sshd into the session too).
func (sc *scene) beganIn(p *fact.Process, e *fact.LogEvent) bool {
	const grace = 150 * time.Second // LoginGraceTime is 120 s: so long before the login sshd may have begun
	sshd := sc.x.PID(e.PID)
	if e.PID == 0 || sshd == nil || !strings.HasPrefix(sshd.Comm, "sshd") || e.Time.Sub(sshd.Started).Abs() > grace {
		return false
	}
	return p.Session != "" && p.Session == sshd.Session || slices.Contains(sc.x.Ancestors(p), sshd)
}
