package shell

import (
	"strings"
)

var shells = set("sh bash dash ash zsh ksh ksh93 mksh pdksh yash rbash csh tcsh fish")

// interpreter is the family of a program that runs code: a shell's own name,
// "python", "perl" … whatever the version; "" for another program.
func interpreter(name string) string {
	if shells[name] {
		return name
	}
	base := strings.TrimRight(name, "0123456789.-")
	switch base {
	case "python", "pypy", "perl", "php", "ruby", "node", "nodejs", "lua", "luajit", "bash", "zsh", "java":
		return base
	}
	return ""
}

// shell is sh with its arguments: code behind -c, a script, or the standard
// input.
func (e *eval) shell(args []word, in flow) flow {
	for i := 0; i < len(args); i++ {
		a := args[i].text
		switch {
		case a == "-" || a == "--":
			return e.shellFile(args[i+1:], in)
		case a == "--rcfile" || a == "--init-file":
			if i++; i < len(args) {
				e.code(args[i], in)
			}
		case a == "--version" || a == "--help":
			return flow{}
		case strings.HasPrefix(a, "--"):
		case len(a) > 1 && (a[0] == '-' || a[0] == '+'):
			if strings.Contains(a, "c") && a[0] == '-' {
				return e.shellCode(args[i+1:], in)
			}
			if strings.Contains(a, "s") && a[0] == '-' {
				return e.exec(in)
			}
			if strings.HasSuffix(strings.ToLower(a), "o") {
				i++
			}
		default:
			return e.shellFile(args[i:], in)
		}
	}
	return e.exec(in)
}

func (e *eval) shellFile(args []word, in flow) flow {
	if len(args) == 0 {
		return e.exec(in)
	}
	e.code(args[0], in)
	return in.tainted()
}

func (e *eval) shellCode(args []word, in flow) flow {
	for _, a := range args {
		if strings.HasPrefix(a.text, "-") || strings.HasPrefix(a.text, "+") {
			continue // more options may stand before the code
		}
		if strings.HasPrefix(a.text, "$") {
			e.exec(e.value(a).tainted())
		}
		return e.run(a.text, in)
	}
	return flow{}
}

// script is python, perl and their like: code in an argument, a file, or the
// standard input.
func (e *eval) script(kind string, args []word, in flow) flow {
	for i := 0; i < len(args); i++ {
		a := args[i].text
		switch {
		case a == "-":
			return e.exec(in.tainted())
		case !strings.HasPrefix(a, "-"):
			e.code(args[i], in.tainted())
			return in.tainted()
		case codeOption(kind, a):
			if attached := a[2:]; kind == "python" && attached != "" && a[1] == 'c' {
				return e.foreign(args[i], in)
			}
			if i+1 < len(args) {
				return e.foreign(args[i+1], in)
			}
		case kind == "python" && strings.HasPrefix(a, "-m"), a == "-version", a == "--version", a == "-V", a == "-v":
			return in.tainted()
		case a == "-jar" || a == "-f":
			if i+1 < len(args) {
				e.code(args[i+1], in.tainted())
			}
			return in.tainted()
		case a == "-W" || a == "-X" || a == "-d" || a == "-r" || a == "--require" || a == "-cp" || a == "-classpath":
			i++
		}
	}
	if kind == "java" {
		return flow{}
	}
	return e.exec(in.tainted())
}

// codeOption: the next argument is code.
func codeOption(kind, a string) bool {
	switch kind {
	case "python", "pypy":
		return strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.Contains(a, "c")
	case "perl", "ruby":
		if strings.HasPrefix(a, "-M") || strings.HasPrefix(a, "-m") || strings.HasPrefix(a, "-I") || strings.HasPrefix(a, "--") {
			return false
		}
		return strings.ContainsAny(a, "eE")
	case "php":
		return a == "-r" || a == "--run"
	case "node", "nodejs":
		return a == "-e" || a == "--eval" || a == "-p" || a == "-pe"
	case "lua", "luajit":
		return a == "-e"
	}
	return false
}

// Words of other languages. They are looked for as text: that is enough to say
// that code both fetches and runs, not that it runs just what it fetched.
var (
	foreignFetch = strings.Fields("urllib urlopen urlretrieve requests.get httplib http.client LWP HTTP::Tiny " +
		"IO::Socket getstore file_get_contents curl_init fsockopen open-uri Net::HTTP URI.open http.get https.get fetch( " +
		"socket.http curl wget")
	foreignExec = strings.Fields("exec( exec( eval( eval{ system( system os.system os.popen subprocess Popen popen( " +
		"shell_exec passthru execSync spawn( child_process os.execute loadstring compile( qx qx( exec eval")
	foreignDecode = strings.Fields("b64decode base64_decode decode_base64 decode64 unpack( decompress( " +
		"'base64' \"base64\" fromhex gzinflate gzuncompress str_rot13 rot13 unhexlify")
	foreignStdin = strings.Fields("stdin STDIN <> php://input $stdin /dev/stdin")
)

// foreign is code of another language than the shell's.
func (e *eval) foreign(w word, in flow) flow {
	code := w.text
	var f flow
	f.fetch = holds(code, foreignFetch) && (strings.Contains(code, "://") || strings.Contains(code, "urlopen") || strings.Contains(code, "LWP"))
	f.decode = holds(code, foreignDecode)
	f = f.or(w.printed('$'))
	if holds(code, foreignStdin) {
		f = f.or(in.tainted())
	}
	if f.fetch {
		e.out.Fetches = true
	}
	if holds(code, foreignExec) {
		e.exec(f)
	}
	e.strings(code)
	return f.or(in.tainted())
}

// holds reports whether one of the words is in s and does not continue one.
func holds(s string, words []string) bool {
	for _, w := range words {
		for rest := s; ; {
			i := strings.Index(rest, w)
			if i < 0 {
				break
			}
			end := i + len(w)
			starts := i == 0 || !isName(rest[i-1]) || !isName(w[0])
			ends := end == len(rest) || !isName(rest[end]) || !isName(w[len(w)-1])
			if starts && ends {
				return true
			}
			rest = rest[end:]
		}
	}
	return false
}

// strings looks at the quoted strings of code: those that name paths.
func (e *eval) strings(code string) {
	for len(code) > 0 {
		i := strings.IndexAny(code, `'"`)
		if i < 0 {
			return
		}
		s, rest, ok := strings.Cut(code[i+1:], code[i:i+1])
		if !ok {
			return
		}
		if strings.HasPrefix(s, "/") && !strings.ContainsAny(s, " \t") {
			e.path(&e.out.Paths, "paths", s)
		}
		code = rest
	}
}
