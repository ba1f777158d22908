package host

import (
	"context"
	"fmt"
	"runtime"

	"demine/internal/fact"

	"golang.org/x/sys/unix"
)

// ReadFirewall reads every packet filter in force in the network namespace of
// the calling thread: iptables-legacy, iptables-nft and nftables, IPv4 and
// IPv6. It never makes the kernel load a module. It needs CAP_NET_ADMIN there;
// without it, it gives the gap "no-permission". All system calls are made on
// the calling thread.
func ReadFirewall(ctx context.Context) ([]fact.Ruleset, []fact.Gap) {
	return readFirewall(ctx, true)
}

// ReadRules is ReadFirewall for who asks where rules stand, and not what is in
// the sets of nftables that they look into, which may be much.
func ReadRules(ctx context.Context) ([]fact.Ruleset, []fact.Gap) {
	return readFirewall(ctx, false)
}

func readFirewall(ctx context.Context, elements bool) ([]fact.Ruleset, []fact.Gap) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var sets []fact.Ruleset
	var gaps []fact.Gap
	for _, read := range []func() ([]fact.Ruleset, []fact.Gap){
		func() ([]fact.Ruleset, []fact.Gap) { return readXT("ip") },
		func() ([]fact.Ruleset, []fact.Gap) { return readXT("ip6") },
		func() ([]fact.Ruleset, []fact.Gap) { return readNFT(elements) },
	} {
		if err := ctx.Err(); err != nil {
			gaps = append(gaps, fact.Gap{Code: "timeout", What: "firewall", Detail: err.Error()})
			break
		}
		s, g := read()
		sets, gaps = append(sets, s...), append(gaps, g...)
	}
	ns := threadNetNS()
	for i := range sets {
		sets[i].NetNS = ns
	}
	return sets, gaps
}

// threadNetNS is the inode of the calling thread's network namespace, 0 when
// /proc does not say.
func threadNetNS() uint64 {
	var st unix.Stat_t
	if err := unix.Stat(threadFile("ns/net"), &st); err != nil {
		return 0
	}
	return st.Ino
}

// threadFile names a file of the calling thread below /proc: /proc/self is the
// process's first thread, which may be in another namespace, and
// /proc/thread-self is younger than Linux 3.10.
func threadFile(name string) string {
	return fmt.Sprintf("/proc/self/task/%d/%s", unix.Gettid(), name)
}
