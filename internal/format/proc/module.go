package proc

import (
	"bytes"

	"demine/internal/fact"
)

// maxModuleName is MODULE_NAME_LEN of the kernel (include/linux/moduleparam.h).
const maxModuleName = 64 - 8

// Modules reads /proc/modules: the names of the modules that the kernel lists,
// each with its taint letters ("OE").
func Modules(b []byte) map[string]string {
	out := map[string]string{}
	for line := range bytes.Lines(b) {
		name, rest := word(line)
		if len(name) == 0 || len(name) > maxModuleName || len(bytes.TrimSpace(rest)) == 0 {
			continue
		}
		taint := ""
		if i := bytes.LastIndexByte(rest, '('); i >= 0 {
			taint = fact.Text(bytes.TrimRight(rest[i+1:], ")\n"))
		}
		out[fact.Text(name)] = taint[:min(len(taint), 16)]
	}
	return out
}

// HookModules reads enabled_functions of tracefs (ftrace.rst) and gives the
// modules into which functions of the kernel lead, each once. The kernel names
// the module of an address in brackets also when it is in no list any more.
// Those of BPF and of the kernel itself are none.
func HookModules(b []byte) []string {
	var out []string
	seen := map[string]bool{}
	for len(b) > 0 {
		_, rest, ok := bytes.Cut(b, []byte("["))
		if !ok {
			break
		}
		name, after, ok := bytes.Cut(rest, []byte("]"))
		if !ok {
			break
		}
		b = after
		if len(name) == 0 || len(name) > maxModuleName {
			b = rest
			continue
		}
		if n := string(name); !seen[n] && plainName(name) && n != "bpf" && len(out) < 256 {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// plainName: names of modules are those of C, made of file names.
func plainName(b []byte) bool {
	for _, c := range b {
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return !bytes.HasPrefix(b, []byte("__builtin"))
}
