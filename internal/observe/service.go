package observe

import (
	"context"
	"net/netip"
	"path"
	"slices"

	"demine/internal/fact"
	"demine/services"
)

var service = &Observer{
	Name:  "service",
	Doc:   "servers that are known (services/): the settings that decide whether they ask for a password, and whether they do",
	Sees:  []string{fact.KindService},
	Needs: []string{"process", "socket"},
	Reads: []string{"/etc/**", "/proc/*", "/proc/*/environ", "/proc/*/root/**"},
	// What services/ names is allowed file by file.
	Follows: []string{fact.KindProcess},
	See:     seeServices,
}

// maxServers bounds what is described: a host of a thousand pods has fewer.
const maxServers = 512

func seeServices(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	if len(in.Process) == 0 {
		return p, errNoProcess
	}
	l := &serviceLook{v: v, in: in, p: &p, netns: ownNetNS(in)}
	servers := l.servers()
	if len(servers) > maxServers {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: "servers", Count: len(servers) - maxServers})
		servers = servers[:maxServers]
	}
	for _, s := range servers {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		l.read(s)
	}
	l.askAll(ctx, servers, sc.NoProbe)
	for _, s := range servers {
		p.Service = append(p.Service, s.fact())
	}
	p.Absent = len(p.Service) == 0
	return p, ctx.Err()
}

// ownNetNS is the network namespace that demine is in, 0 if it is not known.
func ownNetNS(in *fact.Snapshot) uint64 {
	for i := range in.Process {
		if in.Process[i].PID == in.Host.Self {
			return in.Process[i].NetNS
		}
	}
	return 0
}

// serviceLook is one look at all servers.
type serviceLook struct {
	v     *View
	in    *fact.Snapshot
	p     *Part
	netns uint64 // demine's own
}

// server is one that runs, with what was found out.
type server struct {
	known    *services.Service
	process  *fact.Process
	sockets  []fact.Socket // that it listens on
	config   fact.Path
	blind    bool // a file of settings is there, or must be, and could not be read
	opened   int  // files of settings
	settings []fact.Setting
	secret   fact.Secret
	auth, by string
	askedAt  int // the port that answered
	version  string
	gaps     []string
}

// servers are the listening ones. A worker is no server of its own: its parent
// is. One whose sockets cannot be seen (without root) counts.
func (l *serviceLook) servers() []*server {
	all := map[int]*services.Service{}
	for i := range l.in.Process {
		p := &l.in.Process[i]
		if k := recognise(p); k != nil {
			all[p.PID] = k
		}
	}
	threads := map[*services.Service]bool{} // of the kernel, that were seen: the others are the same server
	var out []*server
	for i := range l.in.Process {
		p := &l.in.Process[i]
		k := all[p.PID]
		if k == nil || all[p.PPID] == k || p.Kernel && threads[k] {
			continue
		}
		s := &server{known: k, process: p, sockets: listening(l.in, p)}
		if p.Kernel {
			threads[k], s.sockets = true, l.nobodys(k)
		}
		if len(s.sockets) > 0 || slices.Contains(p.Gaps, "sockets") {
			out = append(out, s)
		}
	}
	return out
}

// nobodys are the sockets on the ports of a server in the kernel.
func (l *serviceLook) nobodys(k *services.Service) []fact.Socket {
	var out []fact.Socket
	for _, s := range l.in.Socket {
		if s.State == "LISTEN" && slices.Contains(k.Ports, s.Port) && (l.netns == 0 || s.NetNS == l.netns) {
			out = append(out, s)
		}
	}
	return out
}

// recognise gives the service that a process is, or nil.
func recognise(p *fact.Process) *services.Service {
	if p.Kernel {
		return services.OfKernel(p.Comm)
	}
	name := path.Base(string(p.Exe))
	if p.Exe == "" {
		name = p.Comm
	}
	return services.Of(name, p.Argv)
}

// fact puts it together. What it answered is before what its settings say.
func (s *server) fact() fact.Service {
	out := fact.Service{
		Name: s.known.Name, Gives: s.known.Gives, Process: s.process.Ref, Config: s.config, Ports: ports(s.sockets),
		Auth: s.auth, AuthBy: s.by, Version: s.version, Settings: s.settings, Secret: s.secret, Gaps: s.gaps,
	}
	out.Ref = fact.ServiceRef(out.Name, s.key())
	auth, by, at := s.known.Decide(s.settings, s.version, s.blind)
	if out.Auth == "" {
		out.Auth, out.AuthBy = auth, by
	} else {
		at = s.known.At
	}
	out.AuthAt = slices.DeleteFunc(ports(s.sockets), func(n int) bool { return n != s.askedAt && !slices.Contains(s.usualPorts(at), n) })
	return out
}

// usualPorts are those of its ports that what is known of it is about: those that
// a setting names; else those that it usually has; else the only one.
func (s *server) usualPorts(at string) []int {
	has := ports(s.sockets)
	named := services.PortsIn(fact.Service{Settings: s.settings}.Setting(at).Value)
	for _, wanted := range [][]int{named, s.known.Ports} {
		out := slices.DeleteFunc(slices.Clone(has), func(n int) bool { return !slices.Contains(wanted, n) })
		if len(out) > 0 {
			return out
		}
	}
	if len(has) == 1 {
		return has
	}
	return nil
}

// key tells two servers apart in the same way at every look.
func (s *server) key() string {
	key := s.process.Ref.Key()
	if len(s.sockets) > 0 {
		first := slices.MinFunc(s.sockets, func(a, b fact.Socket) int { return a.Port - b.Port })
		key = netip.AddrPortFrom(first.Local, uint16(first.Port)).String()
	}
	if s.process.Container != "" {
		key = clip(s.process.Container, 12) + "@" + key
	}
	return key
}
