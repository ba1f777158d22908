package shell

import (
	"path"
	"strings"
)

// program runs words whose first is the name of a program.
func (e *eval) program(words []word, in flow) flow {
	if e.wraps >= maxWraps {
		return flow{}
	}
	e.wraps++
	defer func() { e.wraps-- }()
	w, args := words[0], words[1:]
	e.head(w)
	name := path.Base(w.text)
	if len(w.subs) == 0 {
		e.named(name)
	}
	if strings.Contains(w.text, "/") || e.stored[e.key(w.text)].fetch || e.stored[e.key(w.text)].decode {
		e.ran(w)
	}
	if h, ok := handlers[name]; ok {
		return h(e, args, in)
	}
	if wr, ok := wrappers[name]; ok {
		return e.wrapped(wr, args, in)
	}
	switch kind := interpreter(name); {
	case shells[kind]:
		return e.shell(args, in)
	case kind != "":
		return e.script(kind, args, in)
	case strings.HasPrefix(name, "ld-linux") || strings.HasPrefix(name, "ld-musl"):
		return e.wrapped(wrapper{}, args, in)
	}
	return e.other(name, args, in)
}

// head: the first word of a command may be the output of something.
func (e *eval) head(w word) {
	for i := range w.subs {
		if s := &w.subs[i]; s.lead && s.kind == '$' {
			e.exec(s.out.tainted())
		}
	}
	if strings.HasPrefix(w.text, "$") {
		e.exec(e.value(w).tainted())
	}
}

// other is a program that is not known: what it reads comes out of it, and with
// a URL it is taken for a fetcher under another name.
func (e *eval) other(name string, args []word, in flow) flow {
	out := in.tainted()
	for _, a := range args {
		out = out.or(e.content(a).tainted())
	}
	if fetchers[name] == nil && (quiet[name] || !anyURL(args)) {
		return out
	}
	o, known := fetchers[name]
	if !known {
		o = unknownFetcher
	}
	e.out.Fetches = e.out.Fetches || known
	return out.or(e.fetch(o, args, known))
}

func anyURL(args []word) bool {
	for _, a := range args {
		if u, _ := nextURL(a.text); u != "" {
			return true
		}
	}
	return false
}

// quiet are programs that are given URLs and do not print what is there, or
// are no way to get code.
var quiet = set("grep egrep fgrep sed awk gawk test [ [[ logger git svn hg pip pip3 npm npx yarn pnpm gem " +
	"docker podman nerdctl crictl ctr kubectl helm apt apt-get apt-key add-apt-repository yum dnf zypper apk rpm " +
	"dpkg gpg mysql mysqldump psql redis-cli mongo mongosh mongodump ssh sshpass ping ffmpeg minerd xmrig " +
	"java rclone aws mc gsutil etcdctl influx vault consul nomad alias unset read let")

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

type handler func(e *eval, args []word, in flow) flow

// handlers are the programs whose words mean something of their own. It is
// filled by init because the handlers come back to it.
var handlers map[string]handler

func init() {
	handlers = map[string]handler{
		"eval": func(e *eval, args []word, in flow) flow { return e.run(join(args), in) },
		"trap": func(e *eval, args []word, in flow) flow {
			if len(args) > 1 {
				e.run(args[0].text, flow{})
			}
			return flow{}
		},
		"source": source, ".": source,
		"cd": chdir, "pushd": chdir,
		"cp": move, "mv": move, "ln": move, "install": move,
		"tee": tee, "cat": cat, "dd": dd,
		"echo": echo, "printf": printf,
		"export": settings, "declare": settings, "typeset": settings, "local": settings, "readonly": settings,
		"disown":  func(e *eval, _ []word, _ flow) flow { e.out.Detaches = true; return flow{} },
		"command": lookup, "find": find, "busybox": busybox, "toybox": busybox,
		"su": su, "runuser": su, "xargs": xargs, "watch": joined, "parallel": xargs,
		"at": later, "batch": later,
		"which": nothing, "type": nothing, "hash": nothing, "crontab": nothing, "ssh": nothing, "rm": nothing,
		"base64": decoder("dD", "--decode"), "base32": decoder("dD", "--decode"), "basenc": decoder("d", "--decode"),
		"xxd": decoder("r", "-revert"), "openssl": decoder("", "-d"), "uudecode": decoder("", ""), "rev": rev,
		"gzip": decoder("d", "--decompress --uncompress"), "gunzip": decoder("", ""), "zcat": decoder("", ""),
		"bzip2": decoder("d", "--decompress"), "bunzip2": decoder("", ""), "bzcat": decoder("", ""),
		"xz": decoder("d", "--decompress --uncompress"), "unxz": decoder("", ""), "xzcat": decoder("", ""),
		"zstd": decoder("d", "--decompress --uncompress"), "unzstd": decoder("", ""), "zstdcat": decoder("", ""),
		"nc": netcat, "ncat": netcat, "netcat": netcat, "socat": netcat,
	}
}

func nothing(*eval, []word, flow) flow { return flow{} }

func joined(e *eval, args []word, in flow) flow {
	for len(args) > 0 && strings.HasPrefix(args[0].text, "-") {
		args = args[1:]
	}
	return e.run(join(args), in)
}

func join(args []word) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.text)
	}
	return b.String()
}

// source reads code into the shell at hand.
func source(e *eval, args []word, in flow) flow {
	if len(args) > 0 {
		e.code(args[0], in)
	}
	return flow{}
}

// code runs the file that w names.
func (e *eval) code(w word, in flow) {
	switch {
	case isStdin(w.text) || w.text == "-":
		e.exec(in)
	case len(w.subs) > 0:
		e.exec(w.printed('<'))
		e.ran(w)
	case isDevTCP(w.text):
		e.exec(flow{fetch: true})
	default:
		e.ran(w)
	}
}

func chdir(e *eval, args []word, _ flow) flow {
	if len(args) == 1 {
		dir := e.key(args[0].text)
		e.cwd = ""
		if args[0].plain() && strings.HasPrefix(dir, "/") && len(dir) < maxValue {
			e.cwd = dir
		}
	}
	return flow{}
}

// move: what a file holds is then held by another one.
func move(e *eval, args []word, _ flow) flow {
	var files []word
	for _, a := range args {
		if !strings.HasPrefix(a.text, "-") {
			files = append(files, a)
		}
	}
	if len(files) < 2 {
		return flow{}
	}
	to := e.key(files[len(files)-1].text)
	for _, f := range files[:len(files)-1] {
		if held, ok := e.stored[e.key(f.text)]; ok {
			e.stored[to] = held
			e.stored[to+"/"+path.Base(f.text)] = held
		}
	}
	return flow{}
}

func tee(e *eval, args []word, in flow) flow {
	for _, a := range args {
		if strings.HasPrefix(a.text, "-") {
			continue
		}
		e.feed(a, in)
		if path := e.writes(a); path != "" {
			e.stored[path] = in
		}
	}
	return in
}

func cat(e *eval, args []word, in flow) flow {
	var out flow
	files := 0
	for _, a := range args {
		switch {
		case a.text == "-" || isStdin(a.text):
			out = out.or(in)
		case !strings.HasPrefix(a.text, "-"):
			files++
			out = out.or(e.content(a))
		}
	}
	if files == 0 {
		return out.or(in)
	}
	return out
}

func dd(e *eval, args []word, in flow) flow {
	for _, a := range args {
		k, v, _ := strings.Cut(a.text, "=")
		switch w := (word{text: v, dynamic: a.dynamic}); k {
		case "if":
			in = e.content(w)
		case "of":
			if path := e.writes(w); path != "" {
				e.stored[path] = in
			}
			in = flow{}
		}
	}
	return in
}

// echo knows what it prints.
func echo(e *eval, args []word, _ flow) flow {
	var f flow
	escapes := false
	for len(args) > 0 && len(args[0].text) > 1 && args[0].text[0] == '-' && strings.Trim(args[0].text[1:], "neE") == "" {
		escapes = escapes || strings.Contains(args[0].text, "e")
		args = args[1:]
	}
	for _, a := range args {
		f = f.or(e.value(a))
	}
	f.text = join(args)
	if escapes {
		f = escaped(f)
	}
	return f
}

func printf(e *eval, args []word, in flow) flow {
	f := echo(e, args, in)
	return escaped(f)
}

// escaped undoes escapes; a text that is mostly bytes by number is encoded.
func escaped(f flow) flow {
	text, numbers := unescape(f.text)
	f.text = text
	f.decode = f.decode || numbers >= 8
	return f
}

func settings(e *eval, args []word, _ flow) flow {
	for _, a := range args {
		if name, value, ok := a.assignment(); ok {
			e.assign(name, value, a)
		}
	}
	return flow{}
}

// netcat prints what comes over the network, unless it listens or only looks.
func netcat(e *eval, args []word, in flow) flow {
	for _, a := range args {
		if strings.HasPrefix(a.text, "-") && strings.ContainsAny(a.text, "lz") && !strings.HasPrefix(a.text, "--") {
			return in.tainted()
		}
	}
	for i, a := range args {
		if (a.text == "-e" || a.text == "-c" || a.text == "--exec" || a.text == "--sh-exec") && i+1 < len(args) {
			e.run(args[i+1].text, flow{})
		}
	}
	return flow{fetch: true}
}
