package shell

import "strings"

// wrapper is a program that runs the command that follows its own options.
type wrapper struct {
	args    string // short options with a value
	long    string // long options with a value in the next word, blank-separated
	skip    int    // words of its own before the command
	detach  bool
	assigns bool // NAME=value words may come first
}

var wrappers = map[string]wrapper{
	"sudo":      {args: "ugphCrtTUDR", long: "--user --group --prompt --host --chdir --close-from", assigns: true},
	"doas":      {args: "uC"},
	"env":       {args: "uCS", long: "--unset --chdir", assigns: true},
	"nohup":     {detach: true},
	"setsid":    {detach: true},
	"daemonize": {args: "acEeloupu", detach: true},
	"nice":      {args: "n", long: "--adjustment"},
	"ionice":    {args: "cnpPu", long: "--class --classdata"},
	"chrt":      {args: "TPD", skip: 1},
	"taskset":   {skip: 1},
	"timeout":   {args: "ks", long: "--kill-after --signal", skip: 1},
	"stdbuf":    {args: "ioe", long: "--input --output --error"},
	"time":      {args: "fo", long: "--format --output"},
	"exec":      {args: "a"},
	"builtin":   {}, "coproc": {}, "unbuffer": {}, "proxychains": {args: "f"}, "proxychains4": {args: "f"},
	"torsocks": {}, "torify": {}, "catchsegv": {}, "eatmydata": {}, "chronic": {}, "tsocks": {},
	"flock":             {args: "wE", long: "--timeout --wait --conflict-exit-code --wait", skip: 1},
	"chroot":            {long: "--userspec", skip: 1},
	"unshare":           {args: "RwSG"},
	"nsenter":           {args: "tSGrw", long: "--target"},
	"setpriv":           {},
	"cpulimit":          {args: "lpPe", long: "--limit --pid --exe --path"},
	"systemd-run":       {args: "pHMutEG", long: "--unit --property --description --uid --gid --slice --setenv --on-calendar --on-active"},
	"systemd-cat":       {args: "tp", long: "--identifier --priority"},
	"systemd-inhibit":   {},
	"screen":            {args: "SchTpset", detach: false},
	"strace":            {args: "oepsS"},
	"start-stop-daemon": {args: "xapungcsrkPdRNI", long: "--pidfile --user --name --group --chuid --signal --retry --chdir --chroot --nicelevel"},
	"lockrun":           {long: "--lockfile"},
	"cronic":            {}, "chpst": {args: "ubUenmodpftc/C"}, "setuidgid": {skip: 1}, "gosu": {skip: 1}, "su-exec": {skip: 1},
	"run-one": {}, "caffeinate": {}, "dumb-init": {}, "tini": {}, "fakeroot": {}, "scl": {skip: 1}, "linux64": {}, "linux32": {}, "setarch": {},
}

// wrapped runs what a wrapper runs. Its options are skipped; -c and -S of
// flock, screen or env hold code.
func (e *eval) wrapped(wr wrapper, args []word, in flow) flow {
	e.out.Detaches = e.out.Detaches || wr.detach
	skip := wr.skip
	for i := 0; i < len(args); i++ {
		a := args[i].text
		name, value, isSetting := args[i].assignment()
		switch {
		case a == "--":
		case a == "-c" && wr.skip > 0 && skip == 0, a == "-S" && wr.assigns:
			return e.run(join(args[i+1:min(i+2, len(args))]), in)
		case a == "--exec" || a == "--startas" || a == "-x" && strings.HasPrefix(wr.args, "x"):
			if i+1 < len(args) {
				e.ran(args[i+1])
			}
			i++
		case strings.HasPrefix(a, "--"):
			if strings.Contains(" "+wr.long+" ", " "+a+" ") {
				i++
			}
		case len(a) > 1 && a[0] == '-':
			if takesNext(a, wr.args) {
				i++
			}
		case wr.assigns && isSetting:
			e.assign(name, value, args[i])
		case skip > 0:
			skip--
		default:
			return e.program(args[i:], in)
		}
	}
	return flow{}
}

// takesNext: the last letter of a bundle of short options wants a value that is
// not in the same word.
func takesNext(a, letters string) bool {
	for i := 1; i < len(a); i++ {
		if strings.IndexByte(letters, a[i]) >= 0 {
			return i == len(a)-1
		}
	}
	return false
}

// busybox runs the applet that is its first word.
func busybox(e *eval, args []word, in flow) flow {
	if len(args) == 0 || strings.HasPrefix(args[0].text, "-") {
		return flow{}
	}
	return e.program(args, in)
}

// lookup is `command`: with -v it only asks.
func lookup(e *eval, args []word, in flow) flow {
	for len(args) > 0 && strings.HasPrefix(args[0].text, "-") {
		if strings.ContainsAny(args[0].text, "vV") {
			return flow{}
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return flow{}
	}
	return e.program(args, in)
}

// find runs what follows -exec, up to a ; or +.
func find(e *eval, args []word, in flow) flow {
	for i, a := range args {
		switch a.text {
		case "-exec", "-execdir", "-ok", "-okdir":
		default:
			continue
		}
		end := i + 1
		for end < len(args) && args[end].text != ";" && args[end].text != "+" {
			end++
		}
		if end > i+1 {
			e.program(args[i+1:end], flow{})
		}
	}
	return in.tainted()
}

// su runs the code behind -c, or a shell that reads its input.
func su(e *eval, args []word, in flow) flow {
	for i, a := range args {
		switch {
		case a.text == "-c" || a.text == "--command" || a.text == "-lc":
			if i+1 < len(args) {
				return e.shellCode(args[i+1:], in)
			}
		case strings.HasPrefix(a.text, "--command="):
			return e.run(strings.TrimPrefix(a.text, "--command="), in)
		case a.text == "--" && i+1 < len(args): // runuser -u user -- command
			return e.program(args[i+1:], in)
		}
	}
	return e.exec(in)
}

// xargs puts words of its input behind a command; where that is a shell's -c,
// the input is code.
func xargs(e *eval, args []word, in flow) flow {
	i := 0
	for ; i < len(args) && strings.HasPrefix(args[i].text, "-"); i++ {
		if takesNext(args[i].text, "adEILnPsj") {
			i++
		}
	}
	if i >= len(args) {
		return in.tainted()
	}
	args = args[i:]
	if !shellish(args[0].text) {
		return e.program(args, in.tainted())
	}
	for _, a := range args[1:] {
		if len(a.text) > 1 && a.text[0] == '-' && strings.HasSuffix(a.text, "c") {
			e.exec(in.tainted())
		}
	}
	return e.program(args, in.tainted())
}

func shellish(name string) bool {
	return shells[name[strings.LastIndexByte(name, '/')+1:]]
}

// later is at and batch, which keep their input for a shell.
func later(e *eval, args []word, in flow) flow {
	for i, a := range args {
		if a.text == "-f" && i+1 < len(args) {
			e.code(args[i+1], in)
			return flow{}
		}
	}
	e.exec(in)
	return flow{}
}
