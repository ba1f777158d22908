package observe

import (
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/sshdconfig"
	"demine/internal/host"
)

var sshd = &Observer{
	Name:    "sshd",
	Doc:     "the settings in force of each sshd: its command line, then its configuration with everything that it includes",
	Sees:    []string{fact.KindService},
	Needs:   []string{"process", "socket"},
	Reads:   []string{"/etc/ssh/**", "/usr/share/openssh/sshd_config", "/usr/etc/ssh/**"},
	Follows: []string{fact.KindProcess},
	See:     seeSSHD,
}

const maxConfig = 1 << 20

func seeSSHD(_ context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	shipped := p.shippedSSHD(v)
	for _, d := range sshDaemons(in) {
		p.sshd(v, in, d, shipped)
	}
	if len(p.Service) == 0 {
		p.sshd(v, in, sshDaemon{config: "/etc/ssh/sshd_config"}, shipped)
	}
	p.Absent = len(p.Service) == 0
	return p, nil
}

// sshDaemon is a listening sshd and what its command line says.
type sshDaemon struct {
	process *fact.Process
	config  fact.Path
	ports   []string
	options []string // of -o, "Keyword=value"
}

// sshDaemons finds the listeners: an sshd whose parent is none. Sessions are
// children of theirs.
func sshDaemons(in *fact.Snapshot) []sshDaemon {
	is := map[int]bool{}
	for i := range in.Process {
		is[in.Process[i].PID] = isSSHD(&in.Process[i])
	}
	var out []sshDaemon
	for i := range in.Process {
		p := &in.Process[i]
		if is[p.PID] && !is[p.PPID] && p.Container == "" {
			d := sshArgs(p)
			d.process = p
			out = append(out, d)
		}
	}
	return out
}

func isSSHD(p *fact.Process) bool {
	if p.Kernel {
		return false
	}
	if p.Exe != "" {
		return path.Base(string(p.Exe)) == "sshd"
	}
	return p.Comm == "sshd"
}

// sshArgs reads the command line of sshd(8). Since OpenSSH 8.2 the title of a
// listener is "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", all in
// one argument.
func sshArgs(p *fact.Process) sshDaemon {
	d := sshDaemon{config: "/etc/ssh/sshd_config"}
	args := p.Argv
	if len(args) > 0 && strings.HasPrefix(args[0], "sshd: ") {
		title, _, _ := strings.Cut(strings.Join(args, " "), " [listener]")
		args = strings.Fields(strings.TrimPrefix(title, "sshd: "))
	}
	getopt(args, "CEbcfghkopu", func(opt byte, value string) {
		switch opt {
		case 'f':
			d.config = fact.Path(value)
		case 'p':
			d.ports = append(d.ports, value)
		case 'o':
			d.options = append(d.options, value)
		}
	})
	if !strings.HasPrefix(string(d.config), "/") {
		d.config = host.Join(p.Cwd, string(d.config))
	}
	return d
}

// getopt goes through the options behind the program's name as getopt(3) does;
// those in withValue take one.
func getopt(args []string, withValue string, each func(opt byte, value string)) {
	for i := 1; i < len(args); i++ {
		a := args[i]
		if a == "--" || len(a) < 2 || a[0] != '-' {
			return
		}
		for j := 1; j < len(a); j++ {
			if !strings.Contains(withValue, a[j:j+1]) {
				each(a[j], "")
				continue
			}
			value := a[j+1:]
			if value == "" && i+1 < len(args) {
				i++
				value = args[i]
			}
			each(a[j], value)
			break
		}
	}
}

// shippedSSHD is what the package ships, where it keeps a copy (Debian).
func (p *Part) shippedSSHD(v *View) map[string]string {
	out := sshdconfig.Defaults()
	b, _, err := v.ReadFile("/usr/share/openssh/sshd_config", maxConfig)
	if err != nil {
		return out
	}
	set, _ := sshdconfig.Effective(sshdconfig.Source{Directives: sshdconfig.Parse(b)}, nil)
	for _, s := range set {
		if s.Name != "subsystem" {
			out[s.Name] = s.Value
		}
	}
	return out
}

// sshd adds one service. Without its configuration nothing is claimed but what
// the command line says.
func (p *Part) sshd(v *View, in *fact.Snapshot, d sshDaemon, shipped map[string]string) {
	s := fact.Service{Name: "sshd", Config: d.config, Auth: "unknown", Ref: fact.ServiceRef("sshd", serviceKey(d))}
	v.Allow(d.config)
	b, _, err := v.ReadFile(d.config, maxConfig)
	switch {
	case err != nil && d.process == nil && !exists(v, d.config):
		return
	case err != nil:
		p.gap(d.config, err)
		s.Gaps = append(s.Gaps, "config")
	}
	main := sshdconfig.Source{Path: d.config}
	for _, x := range sshdconfig.Parse([]byte(strings.Join(d.options, "\n"))) {
		x.Line = 0
		main.Directives = append(main.Directives, x)
	}
	if err == nil {
		main.Directives = append(main.Directives, sshdconfig.Parse(b)...)
	}
	before := len(p.Gaps)
	set, blocks := sshdconfig.Effective(main, func(pattern string) []sshdconfig.Source { return p.includedSSHD(v, pattern) })
	s.Settings = sshSettings(set, blocks, d, shipped, err == nil)
	if len(p.Gaps) > before {
		// What was not read may set anything that nothing else sets.
		s.Gaps = append(s.Gaps, "include")
		s.Settings = slices.DeleteFunc(s.Settings, func(x fact.Setting) bool { return x.From == "default" })
	}
	if len(s.Gaps) == 0 {
		s.Auth, s.AuthBy = sshAuth(s), "config"
	}
	if d.process != nil {
		s.Process = d.process.Ref
		s.Ports = ports(listening(in, d.process))
	}
	if s.Ports == nil {
		s.Ports = sshPorts(s)
	}
	s.AuthAt = s.Ports
	p.Service = append(p.Service, s)
}

func serviceKey(d sshDaemon) string {
	return strings.Join(append([]string{d.config.String()}, d.ports...), ":")
}

func (p *Part) includedSSHD(v *View, pattern string) []sshdconfig.Source {
	var out []sshdconfig.Source
	for _, f := range p.glob(v, fact.Path(pattern)) {
		if b, _, ok := p.read(v, f, maxConfig); ok {
			out = append(out, sshdconfig.Source{Path: f, Directives: sshdconfig.Parse(b)})
		}
	}
	return out
}

// glob gives the paths that match an absolute pattern that a configuration
// names, and allows them to be read.
func (p *Part) glob(v *View, pattern fact.Path) []fact.Path {
	found := []fact.Path{"/"}
	for _, part := range strings.Split(strings.Trim(string(pattern), "/"), "/") {
		var next []fact.Path
		for _, dir := range found {
			if !strings.ContainsAny(part, `*?[\`) {
				next = append(next, host.Join(dir, part))
				continue
			}
			v.Allow(dir)
			for _, f := range p.list(v, dir) {
				name := path.Base(string(f))
				if ok, err := path.Match(part, name); ok && err == nil && (name[0] != '.' || part[0] == '.') {
					next = append(next, f)
				}
			}
		}
		found = next[:min(len(next), maxNames)]
	}
	for _, f := range found {
		v.Allow(f)
	}
	return found
}

// sshSettings marks what the command line set, puts the package's values as
// defaults and names the settings of Match blocks.
func sshSettings(set []fact.Setting, blocks []sshdconfig.MatchBlock, d sshDaemon, shipped map[string]string, read bool) []fact.Setting {
	var out []fact.Setting
	for _, x := range set {
		if x.From == "file" && x.Origin.Line == 0 {
			x.From, x.Origin = "argv", fact.Origin{}
		}
		if x.Name == "port" && len(d.ports) > 0 {
			x.Value, x.From, x.Origin = strings.Join(d.ports, " "), "argv", fact.Origin{}
		}
		if v, ok := shipped[x.Name]; ok {
			x.Default = v
		}
		if read || x.From == "argv" {
			out = append(out, x)
		}
	}
	for _, b := range blocks {
		for _, x := range b.Settings {
			x.Name = "match " + fact.Text([]byte(b.Criteria)) + " " + x.Name
			out = append(out, x)
		}
	}
	return out
}

// sshAuth is the weakest way in that the settings leave open to everyone.
func sshAuth(s fact.Service) string {
	on := func(name string) bool { return s.Setting(name).Value == "yes" }
	switch {
	case on("passwordauthentication"), on("kbdinteractiveauthentication") && on("usepam"):
		if m := s.Setting("authenticationmethods").Value; m != "" && m != "any" && allNeedKey(m) {
			return "key"
		}
		return "password"
	case on("pubkeyauthentication"):
		return "key"
	}
	return "unknown"
}

// allNeedKey: each of the alternative lists has publickey in it.
func allNeedKey(methods string) bool {
	return !slices.ContainsFunc(strings.Fields(methods), func(list string) bool {
		return !strings.Contains(list, "publickey")
	})
}

func sshPorts(s fact.Service) []int {
	var out []int
	for _, w := range strings.Fields(s.Setting("port").Value) {
		if n, err := strconv.Atoi(w); err == nil && n > 0 && n < 1<<16 {
			out = append(out, n)
		}
	}
	return out
}

// listening are the sockets at which a process takes new peers.
func listening(in *fact.Snapshot, p *fact.Process) []fact.Socket {
	has := map[uint64]bool{}
	for _, inode := range p.Sockets {
		has[inode] = true
	}
	var out []fact.Socket
	for _, s := range in.Socket {
		if s.Inode != 0 && has[s.Inode] && s.State == "LISTEN" {
			out = append(out, s)
		}
	}
	return out
}

// ports are those of some sockets, sorted, each once.
func ports(ss []fact.Socket) []int {
	var out []int
	for _, s := range ss {
		out = append(out, s.Port)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
