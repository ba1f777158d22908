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
	self, login := namespaces(in)
	list := func(ns uint64, pid int) ([]fact.Socket, error) {
		if sc.Served && ns != login {
			return v.Host().Kernel.Listeners(ctx, pid)
		}
		return v.Host().Kernel.Sockets(ctx, pid)
	}
	own, err := list(self, 0)
	if err != nil {
		return p, err
	}
	p.Socket = own
	others := otherNamespaces(in, self)
	if len(others) >= maxNamespaces-1 {
		p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: "network namespaces"})
	}
	for ns, pid := range others {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		s, err := list(ns, pid)
		if err != nil && !gone(err) {
			p.Gaps = append(p.Gaps, fact.Gap{Code: gapCode(err), What: fmt.Sprintf("network namespace %d", ns), Detail: rootCause(err)})
		}
		p.Socket = append(p.Socket, s...)
	}
	return p, nil
}

// noNamespace is the number of none.
const noNamespace = ^uint64(0)

// namespaces are the network namespaces of demine, 0 when that is not known, and of
// the nearest sshd that it descends from, which holds the operator's connection.
func namespaces(in *fact.Snapshot) (self, login uint64) {
	above := map[int]*fact.Process{}
	for i := range in.Process {
		above[in.Process[i].PID] = &in.Process[i]
	}
	p := above[in.Host.Self]
	if p == nil {
		return 0, noNamespace
	}
	self = p.NetNS
	for range maxLineage {
		if p = above[p.PPID]; p == nil {
			break
		}
		if p.SSHD() {
			return self, p.NetNS
		}
	}
	return self, noNamespace
}

// otherNamespaces gives a process for each network namespace but demine's own.
func otherNamespaces(in *fact.Snapshot, self uint64) map[uint64]int {
	if self == 0 {
		return nil // demine's own is not known: better none than twice
	}
	out := map[uint64]int{}
	for i := range in.Process {
		p := &in.Process[i]
		if _, ok := out[p.NetNS]; !ok && p.NetNS != 0 && len(out) < maxNamespaces {
			out[p.NetNS] = p.PID
		}
	}
	delete(out, self)
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
