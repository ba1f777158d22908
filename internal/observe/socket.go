package observe

import (
	"context"
	"fmt"
	"strconv"

	"demine/internal/fact"
)

var socket = &Observer{
	Name:  "socket",
	Doc:   "tcp and udp sockets of every network namespace that a process lives in",
	Sees:  []string{fact.KindSocket},
	Needs: []string{"process"},
	See:   seeSockets,
}

// maxNamespaces bounds the visits: a host of a thousand pods has as many.
const maxNamespaces = 512

func seeSockets(ctx context.Context, v *View, in *fact.Snapshot, sc Scope) (Part, error) {
	var p Part
	ours, theirs := v.Host().Kernel.Sockets, v.Host().Kernel.Sockets
	if sc.Served {
		theirs = v.Host().Kernel.Listeners
		if !overSSH(in) {
			ours = theirs
		}
	}
	own, err := ours(ctx, 0)
	if err != nil {
		return p, err
	}
	p.Socket = own
	others := otherNamespaces(in)
	if len(others) >= maxNamespaces-1 {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: "network namespaces"})
	}
	for ns, pid := range others {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		s, err := theirs(ctx, pid)
		if err != nil && !gone(err) {
			p.Gaps = append(p.Gaps, fact.Gap{Code: gapCode(err), What: fmt.Sprintf("network namespace %d", ns), Detail: rootCause(err)})
		}
		p.Socket = append(p.Socket, s...)
	}
	return p, nil
}

// overSSH reports whether demine descends from an sshd that holds a connection.
func overSSH(in *fact.Snapshot) bool {
	above := map[int]*fact.Process{}
	for i := range in.Process {
		above[in.Process[i].PID] = &in.Process[i]
	}
	p := above[in.Host.Self]
	for range maxLineage {
		if p == nil {
			return false
		}
		if p.SSHD() {
			return true
		}
		p = above[p.PPID]
	}
	return false
}

// otherNamespaces gives a process for each network namespace but demine's own.
func otherNamespaces(in *fact.Snapshot) map[uint64]int {
	out := map[uint64]int{}
	self := uint64(0)
	for i := range in.Process {
		p := &in.Process[i]
		if p.PID == in.Host.Self {
			self = p.NetNS
		}
		if _, ok := out[p.NetNS]; !ok && p.NetNS != 0 && len(out) < maxNamespaces {
			out[p.NetNS] = p.PID
		}
	}
	delete(out, self)
	if self == 0 {
		return nil // demine's own is not known: better none than twice
	}
	return out
}

var firewall = &Observer{
	Name: "firewall",
	Doc:  "the packet filter in force: iptables-legacy, iptables-nft, nftables; IPv4 and IPv6",
	Sees: []string{fact.KindFirewall},
	See: func(ctx context.Context, v *View, _ *fact.Snapshot, _ Scope) (Part, error) {
		var p Part
		p.Firewall, p.Gaps = v.Host().Kernel.Firewall(ctx)
		p.Absent = len(p.Firewall) == 0
		return p, nil
	},
}

var load = &Observer{
	Name:  "load",
	Doc:   "load average, use of each CPU, pressure, memory; what each process used and waited for, over a short sample",
	Sees:  []string{fact.KindLoad, fact.KindProcess},
	Needs: []string{"process"},
	Reads: []string{"/proc", "/proc/*", "/proc/*/**", "/proc/pressure/*"},
	See:   seeLoad,
}

func pidPath(pid int) fact.Path { return fact.Path("/proc/" + strconv.Itoa(pid)) }
