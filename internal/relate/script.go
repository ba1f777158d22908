package relate

import (
	"path"
	"strings"

	"demine/internal/fact"
)

// Script is the file that an interpreter was told to run, as its arguments say:
// the program that counts is that one, not the interpreter. Empty when it is no
// interpreter, or reads its program from the arguments or standard input.
func Script(p *fact.Process) fact.Path {
	takes, ok := scripts[family(path.Base(string(p.Exe)))]
	if !ok || len(p.Argv) < 2 {
		return ""
	}
	name := takes(p.Argv[1:])
	switch {
	case name == "" || name == "-":
		return ""
	case strings.HasPrefix(name, "/"):
		return fact.Path(path.Clean(name))
	case strings.HasPrefix(string(p.Cwd), "/"):
		return fact.Path(path.Join(string(p.Cwd), name))
	}
	return ""
}

// family is the name of an interpreter without its version.
func family(name string) string {
	f := strings.TrimRight(name, "0123456789.-")
	switch f {
	case "nodejs":
		return "node"
	case "dash", "bash", "ash", "ksh", "zsh", "busybox":
		return "sh"
	}
	return f
}

// scripts finds the program among the arguments, by family.
var scripts = map[string]func(args []string) string{
	"python": firstOperand("cm", "WXQ"),
	"pypy":   firstOperand("cm", "WX"),
	"perl":   firstOperand("eE", ""),
	"ruby":   firstOperand("e", "IrC"),
	"lua":    firstOperand("e", "l"),
	"php":    firstOperand("rRBE", "cdz"),
	"node":   firstOperand("ep", "rC"),
	"sh":     firstOperand("cs", "oO"),
	"java":   javaProgram,
}

// firstOperand gives the first argument that is no option. A letter of inline
// in a cluster of options means that the program is not a file; one of valued
// takes the next argument.
func firstOperand(inline, valued string) func([]string) string {
	return func(args []string) string {
		for i := 0; i < len(args); i++ {
			a := args[i]
			switch {
			case a == "--" && i+1 < len(args):
				return args[i+1]
			case strings.HasPrefix(a, "--"):
				if strings.HasPrefix(a, "--eval") || strings.HasPrefix(a, "--print") {
					return ""
				}
			case len(a) < 2 || a[0] != '-':
				return a
			case strings.ContainsAny(a[1:2], inline) || len(a) < 5 && strings.ContainsAny(a, inline):
				return ""
			case len(a) == 2 && strings.ContainsAny(a[1:], valued):
				i++
			}
		}
		return ""
	}
}

// javaProgram is the archive of -jar, a source that is run as it is (JEP 330),
// or the first place where classes are.
func javaProgram(args []string) string {
	places := ""
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-jar" && i+1 < len(args):
			return args[i+1]
		case (a == "-cp" || a == "-classpath" || a == "--class-path") && i+1 < len(args):
			i++
			places, _, _ = strings.Cut(args[i], ":")
		case strings.HasSuffix(a, ".java") && !strings.HasPrefix(a, "-"):
			return a
		case !strings.HasPrefix(a, "-"):
			return places
		}
	}
	return places
}

// Program is the file that counts of what a process runs: its image, or the
// script that an interpreter of the system was told to run.
func (x *Index) Program(p *fact.Process) fact.Path {
	if s := Script(p); s != "" && x.Shared(p) {
		return s
	}
	return p.Exe
}
