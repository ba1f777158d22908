// Package shell says what the words of a shell command line would do: which
// programs it names, what it fetches, writes and runs, and whether something
// fetched or decoded is run. It states facts about the text and judges nothing;
// `curl … | sh` of a vendor's installer has FetchExec like any other.
//
// The grammar is that of POSIX sh ("Shell Command Language", XCU chapter 2)
// with the parts of bash that command lines use: <( ), <<<, &>, $'…', [[.
// Nothing is expanded but what can be known from the text alone, and reading is
// tolerant: whatever is unbalanced ends with the text.
package shell

import (
	"demine/internal/fact"
)

// Caps: a list holds so many values, a value so many bytes, a script is read so
// far, code in code (sh -c, eval, decoded text) is followed so deep.
const (
	maxList   = 100
	maxValue  = 2048
	maxScript = 64 << 10
	maxLine   = 128 << 10 // MAX_ARG_STRLEN of the kernel: no longer one can be an argument
	maxDepth  = 8
	maxWraps  = 64
)

// Parse reads one command line, as cron or `sh -c` gets it. More than
// 128 KiB cannot be run, and are not read.
//
// Programs are the last parts of the first words, wrappers (sudo, nohup …) as
// well as what they run. Paths, Runs and Writes hold absolute paths without
// variables or patterns; a relative one counts after a `cd` to an absolute
// folder. /dev/null, terminals and standard streams are left out.
func Parse(line string) fact.Shell {
	return parse(line[:min(len(line), maxLine)])
}

// Script reads the first 64 KiB of a script as one line, comments dropped.
func Script(b []byte) fact.Shell {
	return parse(string(b[:min(len(b), maxScript)]))
}

func parse(text string) fact.Shell {
	e := &eval{
		budget: 4*len(text) + maxScript,
		stored: map[string]flow{}, vars: map[string]flow{},
		seen: map[string]bool{},
	}
	e.run(text, flow{})
	e.out.Fetches = e.out.Fetches || e.out.FetchExec
	return e.out
}

// eval walks the commands in their order and collects the facts.
type eval struct {
	out    fact.Shell
	cwd    string          // of a cd to an absolute folder
	stored map[string]flow // what a file holds that was written on the way
	vars   map[string]flow // what a variable holds
	seen   map[string]bool // values that are in out, by list
	depth  int             // of code in code
	wraps  int             // of wrappers around wrappers
	budget int             // bytes of code still to be read, nested ones counted again
}

// flow is what is known of the bytes in a pipe, a file or a variable.
type flow struct {
	fetch  bool   // came from a fetcher
	decode bool   // came from a decoder
	text   string // the bytes themselves, when they stand in the line
}

func (f flow) or(g flow) flow {
	if f.text == "" {
		f.text = g.text
	}
	return flow{f.fetch || g.fetch, f.decode || g.decode, f.text}
}

// tainted is f without its text: a filter has changed that.
func (f flow) tainted() flow { return flow{fetch: f.fetch, decode: f.decode} }

// exec takes note that f is run as code.
func (e *eval) exec(f flow) flow {
	e.out.FetchExec = e.out.FetchExec || f.fetch
	e.out.DecodeExec = e.out.DecodeExec || f.decode
	if f.text != "" {
		return e.run(f.text, flow{})
	}
	return flow{}
}

// run reads code; what it prints is returned.
func (e *eval) run(code string, in flow) flow {
	if e.depth >= maxDepth || e.budget < len(code) {
		return flow{}
	}
	e.depth++
	e.budget -= len(code)
	p := parser{s: code}
	out := e.list(p.list(0), in)
	e.depth--
	return out
}

// list runs commands one after the other with the same input.
func (e *eval) list(items []item, in flow) flow {
	var out flow
	for _, it := range items {
		f := in
		for i := range it.pipe {
			f = e.command(&it.pipe[i], f)
		}
		if it.async {
			e.out.Detaches = true
		}
		out = out.or(f)
	}
	return out
}

// command runs one command of a pipe line: its redirections, then its words or
// its group.
func (e *eval) command(c *command, in flow) flow {
	for i := range c.words {
		e.word(&c.words[i])
	}
	var to []string
	for i := range c.redirs {
		r := &c.redirs[i]
		e.word(&r.to)
		if r.input() {
			in = e.input(r)
		} else if target := e.writes(r.to); target != "" && r.stdout() {
			to = append(to, target)
		}
	}
	// A group that reads heredocs or redirected files hands them on.
	out := e.list(c.group, in)
	if len(c.group) == 0 && !c.control {
		out = e.simple(c.words, in)
	}
	for i := range c.redirs {
		e.feed(c.redirs[i].to, out)
	}
	if c.redirsAway() {
		for _, path := range to {
			e.stored[path] = out
		}
		return flow{}
	}
	return out
}

// input is what a redirection brings in.
func (e *eval) input(r *redir) flow {
	switch r.op {
	case "<<", "<<-":
		return flow{text: r.body}
	case "<<<":
		return e.value(r.to).or(flow{text: r.to.text})
	}
	return e.content(r.to)
}

// content is what is known of the file that w names.
func (e *eval) content(w word) flow {
	f := w.printed('<')
	if isDevTCP(w.text) {
		f.fetch = true
	}
	return f.or(e.stored[e.key(w.text)])
}

// feed hands f to the commands of >( ).
func (e *eval) feed(w word, f flow) {
	for i := range w.subs {
		if w.subs[i].kind == '>' {
			e.list(w.subs[i].body, f)
		}
	}
}

// simple runs a command of words: settings, then a program with its arguments.
func (e *eval) simple(words []word, in flow) flow {
	for len(words) > 0 {
		name, value, ok := words[0].assignment()
		if !ok {
			return e.program(words, in)
		}
		e.assign(name, value, words[0])
		words = words[1:]
	}
	return flow{}
}

// assign keeps what a variable holds.
func (e *eval) assign(name, value string, w word) {
	if name == "LD_PRELOAD" {
		e.preload(value)
	}
	if len(e.vars) < maxList {
		e.vars[name] = e.value(w).or(flow{text: value})
	}
}
