package fact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Ref is the identity of a fact everywhere: "kind:[namespace@]key". Two looks
// at the same thing give the same Ref.
type Ref string

// Kind is the part before the first colon.
func (r Ref) Kind() string {
	k, _, _ := strings.Cut(string(r), ":")
	return k
}

// Key is the part after the first colon.
func (r Ref) Key() string {
	_, k, _ := strings.Cut(string(r), ":")
	return k
}

// ProcessRef identifies a process over pid reuse and reboots: boot id
// (shortened), pid and start time in clock ticks.
func ProcessRef(boot string, pid int, startTicks uint64) Ref {
	return Ref(fmt.Sprintf("process:%.8s/%d@%d", boot, pid, startTicks))
}

// SocketRef identifies a socket by network namespace and inode.
func SocketRef(netns, inode uint64, proto string) Ref {
	return Ref(fmt.Sprintf("socket:%d@%s/%d", netns, proto, inode))
}

// FileRef identifies a file by its path.
func FileRef(p Path) Ref { return Ref("file:" + p.String()) }

// AutostartRef identifies one autostart entry. The kind is "cron", "unit",
// "timer", "rc" …; a line is named by the hash of its text so that it keeps its
// identity when other lines move; whole files have an empty text.
func AutostartRef(kind string, p Path, text string) Ref {
	if text == "" {
		return Ref("autostart:" + kind + ":" + p.String())
	}
	return Ref("autostart:" + kind + ":" + p.String() + "#" + shortHash(text))
}

// KeyRef identifies a line of an authorized_keys file by its fingerprint.
func KeyRef(p Path, fingerprint string) Ref {
	return Ref("key:" + p.String() + "#" + fingerprint)
}

// ServiceRef identifies a service by name and the address or file that tells
// two of them apart.
func ServiceRef(name, key string) Ref { return Ref("service:" + name + ":" + key) }

// ContainerRef identifies a container by its id.
func ContainerRef(id string) Ref { return Ref("container:" + id) }

// ModuleRef identifies a module of the kernel by its name.
func ModuleRef(name string) Ref { return Ref("module:" + name) }

// FlowRef identifies what was heard on a socket.
func FlowRef(socket Ref) Ref { return Ref("flow:" + socket.Key()) }

// LoadRef identifies the load: there is one of it.
const LoadRef Ref = "load:sample"

// AccountRef identifies an account by its name.
func AccountRef(name string) Ref { return Ref("account:" + name) }

// RulesetRef identifies one table of one backend ("iptables-legacy", "nft"),
// in one network namespace, or a persisted file.
func RulesetRef(backend, family, table string, p Path) Ref {
	if p != "" {
		return Ref("firewall:" + p.String() + ":" + family + "/" + table)
	}
	return Ref("firewall:" + backend + ":" + family + "/" + table)
}

func shortHash(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:4])
}
