package respond

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/host"
)

// guardSSH refuses to change who reaches a port on which SSH listens or holds
// a connection: the operator may come in by it.
func guardSSH(ctx context.Context, h *host.Host, port int) error {
	if port == 22 {
		return Refuse("refuse.port.ssh", "port", port)
	}
	all, err := h.Kernel.Sockets(ctx, 0)
	if err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	at := map[string]bool{}
	for _, s := range all {
		if s.Port == port && s.Inode != 0 {
			at[fmt.Sprintf("socket:[%d]", s.Inode)] = true
		}
	}
	names, err := h.Files.Names("/proc")
	if err != nil && !host.Gone(err) {
		return fmt.Errorf("processes: %w", err)
	}
	for _, n := range names {
		if _, err := strconv.Atoi(n); err == nil && len(at) > 0 && holds(h, fact.Path("/proc/"+n), at) {
			return Refuse("refuse.port.ssh", "port", port)
		}
	}
	return nil
}

// holds reports whether a process is SSH's and has one of the sockets open.
func holds(h *host.Host, proc fact.Path, sockets map[string]bool) bool {
	comm, _, err := h.Files.ReadFile(proc+"/comm", 64)
	if err != nil || !slices.Contains(sshNames, strings.TrimSpace(string(comm))) {
		return false
	}
	fds, _ := h.Files.Names(proc + "/fd")
	for _, fd := range fds {
		if to, err := h.Files.Readlink(proc + "/fd/" + fact.Path(fd)); err == nil && sockets[string(to)] {
			return true
		}
	}
	return false
}

// containerNames are the interfaces of containers and pods by the names that
// their networks give them, and that no way outside has.
var containerNames = []string{"docker*", "veth*", "cni*", "podman*", "flannel*", "cali*", "cilium*", "lxc*", "lxdbr*", "virbr*", "vnet*", "kube-*", "nodelocaldns*", "weave*", "antrea*"}

// dockerBridge is a network that a user made: br- and the head of its id. Other
// bridges may lead outside (br-ex of OpenStack).
var dockerBridge = regexp.MustCompile(`^br-[0-9a-f]{12}$`)

// containerInterfaces are those that keep their way in.
func containerInterfaces() []string {
	out := slices.Clone(containerNames)
	all, _ := net.Interfaces()
	for _, i := range all {
		if dockerBridge.MatchString(i.Name) {
			out = append(out, i.Name)
		}
	}
	return out
}
