package bench

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/agent"
	"demine/internal/host"
	"demine/internal/lease"
	"demine/internal/respond"
	"demine/internal/store"
)

// A lessee is this program once more, in the namespaces of a host: each time that
// it reads a line it opens one lease and closes it, beside others, and prints how
// many microseconds either took and how much CPU both did.
var (
	others  = flag.Int("lessee", -1, "be a lessee, beside so many leases")
	state   = flag.String("state", "", "folder of a lessee's state")
	profile = flag.String("profile", "", "file for the profile of a lessee")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *others < 0 {
		os.Exit(m.Run())
	}
	if err := lessee(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func lessee(ctx context.Context) error {
	debug.SetGCPercent(300) // as cmd/demine
	debug.SetMemoryLimit(40 << 20)
	if err := unix.Mount("demine", store.RunDir, "tmpfs", 0, "mode=0700"); err != nil { // locks of its own
		return fmt.Errorf("mount on %s: %w", store.RunDir, err)
	}
	st, err := store.Open(*state, store.Options{})
	if err != nil {
		return err
	}
	defer st.Close()
	netns, err := host.NetNS()
	if err != nil {
		return err
	}
	if _, err := st.LockKeeper(netns, store.Holder{Kind: "keeper"}); err != nil { // so that none is started
		return err
	}
	ls := agent.NewLeases(host.Live(), slog.New(slog.DiscardHandler), agent.Settings{State: *state})
	if err := crowdOf(ctx, ls, st, *others); err != nil {
		return err
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Println("ready")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		if err := openAndClose(ctx, ls); err != nil {
			return err
		}
	}
	return nil
}

func asked(from string, port int) agent.LeaseAsk {
	return agent.LeaseAsk{NoProbe: true, Ask: lease.Ask{Proto: "tcp", Port: port, For: time.Hour, Who: "order-team",
		Why: "the vendor looks at order 1172", From: []netip.Prefix{netip.MustParsePrefix(from)}}}
}

// crowdOf brings n leases in force: the first as demine does it, which makes the
// doorway, the others like it.
func crowdOf(ctx context.Context, ls *agent.Leases, st *store.Store, n int) error {
	if n == 0 {
		return nil
	}
	first, err := ls.Open(ctx, asked("203.0.113.9/32", leasePort))
	if err != nil {
		return err
	}
	all := []lease.Lease{*first.Lease}
	as := leasesOf(n-1, false)
	for i, a := range as {
		le := *first.Lease
		le.ID, le.Port, le.From = fmt.Sprintf("L-%05d", i), a.Port, []netip.Prefix{a.From}
		as[i].Lease = le.ID
		all = append(all, le)
	}
	if err := st.SaveLeases(all); err != nil || n == 1 {
		return err
	}
	return respond.LiveFilter().Admit(ctx, first.Plan.Mark, first.Lease.Until, nil, as)
}

func openAndClose(ctx context.Context, ls *agent.Leases) error {
	var out agent.LeaseAnswer
	open, cpuOpen, err := timed(func() (err error) {
		out, err = ls.Open(ctx, asked("203.0.113.7/32", leasePort+50))
		return err
	})
	if err != nil {
		return err
	}
	closing, cpuClose, err := timed(func() error {
		_, _, err := ls.Close(ctx, out.Lease.ID, false)
		return err
	})
	fmt.Println(open.Microseconds(), closing.Microseconds(), (cpuOpen + cpuClose).Microseconds())
	return err
}

// timed begins with nothing to be collected, as a command of its own does, which
// ends before anything is.
func timed(f func() error) (took, cpu time.Duration, err error) {
	runtime.GC()
	before, begun := spent(), time.Now()
	err = f()
	return time.Since(begun), spent() - before, err
}

// spent is the CPU that this process has used.
func spent() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
