package shell

import (
	"path"
	"strings"
)

// fetcher says how a program that fetches takes its arguments.
type fetcher struct {
	args   string // short options with a value
	out    string // options whose value is the file that it writes
	dir    string // options whose value is the folder of that file
	remote string // options that write to the name in the URL
	prints bool   // to the standard output, if no file is named
	second bool   // the second argument is the file
}

var fetchers = map[string]*fetcher{
	"curl":         {args: "AbcCdDeEFHhKmoPQrtTuUwxXyYz", out: "-o --output", dir: "--output-dir", remote: "-O --remote-name --remote-name-all -J", prints: true},
	"wget":         {args: "aABDeiIlnoOPQRtTUwX", out: "-O --output-document", dir: "-P --directory-prefix"},
	"wget2":        {args: "aABDeiIlnoOPQRtTUwX", out: "-O --output-document", dir: "-P --directory-prefix"},
	"fetch":        {args: "BhiNoSTw", out: "-o --output"},
	"aria2c":       {args: "dosxjklqi", out: "-o --out", dir: "-d --dir"},
	"axel":         {args: "nosTUH", out: "-o --output"},
	"lwp-download": {second: true},
	"ftpget":       {args: "uPp"},
	"tftp":         {args: "lrbc", out: "-l"},
	"lwp-request":  {args: "mfbtiCpH", prints: true},
	"GET":          {args: "mfbtiCpH", prints: true},
	"lynx":         {prints: true}, "links": {prints: true}, "elinks": {prints: true}, "w3m": {args: "TIOB", prints: true},
	"http": {prints: true}, "https": {prints: true}, "xh": {prints: true}, "curlie": {args: "o", out: "-o", prints: true},
}

// unknownFetcher is any program with a URL: it may be curl or wget under
// another name, so the options of both count.
var unknownFetcher = &fetcher{args: "AHeuUxX", out: "-o -O --output --output-document", prints: true}

// fetch reads the arguments of a fetcher; what it prints is returned, what it
// writes is kept.
func (e *eval) fetch(o *fetcher, args []word, known bool) flow {
	f := fetching{o: o, known: known}
	for i := 0; i < len(args); {
		i += f.option(e, args, i)
	}
	return f.done(e)
}

// fetching is what the arguments said.
type fetching struct {
	o      *fetcher
	known  bool
	dir    string
	remote bool
	toFile bool
	print  bool
	urls   []string
}

// option reads the argument at i and gives the number of words it took.
func (f *fetching) option(e *eval, args []word, i int) int {
	a := args[i].text
	if !strings.HasPrefix(a, "-") || a == "-" {
		f.operand(e, args[i])
		return 1
	}
	name, value, took := f.split(args, i)
	switch {
	case listed(f.o.out, name) && took > 0:
		f.output(e, word{text: value, dynamic: args[min(i+took-1, len(args)-1)].dynamic})
	case listed(f.o.dir, name):
		f.dir = value
	case f.anyRemote(name):
		f.remote = true
	}
	return max(took, 1)
}

// split takes an option and its value apart: -oFILE, -sSLo FILE, --output=FILE
// or --output FILE. The option is given as "-o"; took is 0 without a value.
func (f *fetching) split(args []word, i int) (name, value string, took int) {
	a := args[i].text
	next := func() (string, int) {
		if i+1 < len(args) {
			return args[i+1].text, 2
		}
		return "", 0
	}
	if strings.HasPrefix(a, "--") {
		if n, v, ok := strings.Cut(a, "="); ok {
			return n, v, 1
		}
		if listed(f.o.out, a) || listed(f.o.dir, a) {
			value, took = next()
		}
		return a, value, took
	}
	for j := 1; j < len(a); j++ {
		short := "-" + a[j:j+1]
		if strings.IndexByte(f.o.args, a[j]) < 0 && !listed(f.o.out, short) && !listed(f.o.dir, short) {
			continue
		}
		if j+1 < len(a) {
			return short, a[j+1:], 1
		}
		value, took = next()
		return short, value, took
	}
	return a, "", 0
}

func listed(options, name string) bool {
	return options != "" && strings.Contains(" "+options+" ", " "+name+" ")
}

// anyRemote: -O of curl may stand in a bundle.
func (f *fetching) anyRemote(name string) bool {
	if listed(f.o.remote, name) {
		return true
	}
	return f.o.remote != "" && !strings.HasPrefix(name, "--") && strings.Contains(name, "O")
}

func (f *fetching) operand(e *eval, w word) {
	u, _ := nextURL(w.text)
	switch {
	case u != "":
		f.urls = append(f.urls, u)
	case f.o.second && len(f.urls) > 0:
		f.output(e, w)
	case strings.HasPrefix(w.text, "$") || len(w.subs) > 0:
		f.urls = append(f.urls, w.text)
	case f.known && bareURL(w.text):
		e.url(w.text)
		f.urls = append(f.urls, w.text)
	}
}

// bareURL: curl and wget take host/path without a scheme.
func bareURL(s string) bool {
	host, _, _ := strings.Cut(s, "/")
	host, _, _ = strings.Cut(host, ":")
	return len(host) > 2 && strings.Contains(host, ".") && !strings.HasPrefix(host, ".") && !strings.ContainsAny(s, " \t\n'\"{}<>")
}

func (f *fetching) output(e *eval, w word) {
	if w.text == "-" || w.text == "/dev/stdout" {
		f.print = true
		return
	}
	if u, _ := nextURL(w.text); u != "" { // -O of curl under another name
		f.urls, f.remote = append(f.urls, u), true
		return
	}
	f.toFile = true
	if f.dir != "" && !strings.HasPrefix(w.text, "/") {
		w.text = f.dir + "/" + w.text
	}
	if key := e.writes(w); key != "" {
		e.stored[key] = flow{fetch: true}
	}
}

// done: without an output the file has the name in the URL, or the standard
// output gets it.
func (f *fetching) done(e *eval) flow {
	if len(f.urls) == 0 && f.known && len(e.out.URLs) == 0 {
		// curl --version; but a URL may come from xargs or a variable.
		return flow{fetch: f.o.prints || f.print}
	}
	if f.remote || !f.toFile && !f.print && !f.o.prints {
		for _, u := range f.urls {
			f.named(e, u)
		}
		return flow{}
	}
	return flow{fetch: f.print || !f.toFile}
}

func (f *fetching) named(e *eval, u string) {
	name := path.Base(u)
	bare, _, _ := strings.Cut(name, "?")
	for _, n := range []string{name, bare} {
		if f.dir != "" {
			n = f.dir + "/" + n
		}
		if key := e.key(n); key != "" {
			e.stored[key] = flow{fetch: true}
		}
	}
}
