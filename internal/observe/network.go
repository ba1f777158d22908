package observe

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"demine/internal/fact"
)

var network = &Observer{
	Name:  "network",
	Doc:   "interfaces, addresses, routes and marks that are routed by, of every network namespace with a listener, and the packet filter of those that are not demine's own",
	Sees:  []string{fact.KindNetwork},
	Needs: []string{"process", "socket"},
	See:   seeNetworks,
}

// maxFilters bounds the namespaces whose packet filter is read: it takes some
// milliseconds each.
const maxFilters = 256

func seeNetworks(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	own, gaps := v.Host().Kernel.Network(ctx, 0)
	own.Own = true
	p.Network, p.Gaps = append(p.Network, own), gaps
	self, _ := namespaces(in)
	others := otherNamespaces(in, self)
	maps.DeleteFunc(others, func(ns uint64, _ int) bool { return !listens(in, ns) })
	for i, ns := range slices.Sorted(maps.Keys(others)) {
		if i >= maxFilters {
			p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: "network namespaces"})
			break
		}
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		n, gaps := v.Host().Kernel.Network(ctx, others[ns])
		for j := range gaps {
			gaps[j].What = fmt.Sprintf("%s of network namespace %d", gaps[j].What, ns)
		}
		if p.Gaps = append(p.Gaps, gaps...); n.NetNS == ns {
			p.Network = append(p.Network, n)
		}
	}
	return p, nil
}

func listens(in *fact.Snapshot, ns uint64) bool {
	return slices.ContainsFunc(in.Socket, func(s fact.Socket) bool { return s.NetNS == ns && s.Listening() })
}
