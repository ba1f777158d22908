package observe

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"demine/internal/fact"
	"demine/internal/format/proc"
)

// A number costs 0.15 µs. Where cgroups tell of every process, the first
// million is asked for, else all that pid_max allows (four million), as long as
// the time is not up.
const (
	mostNumbers = 1 << 20
	probeTime   = 2 * time.Second
)

// numbers asks the kernel for every number that a process can have. Numbers
// rise until pid_max and begin anew (pid_namespaces(7)): where cgroups tell of
// all, those up to the last one given out and the highest seen are enough.
func (h *hider) numbers(ctx context.Context) {
	top := h.number("/proc/sys/kernel/pid_max")
	if top == 0 {
		top = h.highest()
	}
	if h.all {
		top = min(h.highest(), mostNumbers)
	}
	alive, missed := h.probe(ctx, top)
	if missed <= top {
		h.part.Gaps = append(h.part.Gaps, fact.Gap{Code: "not-probed", What: "/proc", Detail: fmt.Sprintf("from number %d to %d", missed, top)})
	}
	if len(alive) == 0 {
		return
	}
	threads := h.threads()
	for _, n := range alive {
		if !threads[n] {
			h.know(n, "number")
		}
	}
}

func (h *hider) number(p fact.Path) int {
	b, _, err := h.v.ReadFile(p, 64)
	if err != nil {
		return 0
	}
	n, _ := proc.Uint(bytes.TrimSpace(b))
	return int(min(n, 1<<22)) // PID_MAX_LIMIT of the kernel
}

func (h *hider) highest() int {
	b, _, _ := h.v.ReadFile("/proc/loadavg", 256)
	top := proc.LastPID(b)
	for pid := range h.listed {
		top = max(top, pid)
	}
	for pid := range h.by {
		top = max(top, pid)
	}
	return top
}

// probe gives the living numbers up to top that are not listed, and the first
// that it had no time for.
func (h *hider) probe(ctx context.Context, top int) (alive []int, missed int) {
	const stretch = 4096
	until := h.v.Host().Now().Add(probeTime)
	type share struct {
		alive  []int
		missed int
	}
	shares := make([]share, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range shares {
		wg.Add(1)
		go func() {
			defer wg.Done()
			from := 1 + w*stretch
			for ; from <= top && ctx.Err() == nil && !h.v.Host().Now().After(until); from += len(shares) * stretch {
				for n := from; n <= min(top, from+stretch-1); n++ {
					if h.v.Host().Kernel.Alive(n) && !h.listed[n] {
						shares[w].alive = append(shares[w].alive, n)
					}
				}
			}
			shares[w].missed = from
		}()
	}
	wg.Wait()
	missed = top + 1
	for _, s := range shares {
		alive, missed = append(alive, s.alive...), min(missed, s.missed)
	}
	return alive, missed
}

// threads are the numbers of all threads of the listed processes.
func (h *hider) threads() map[int]bool {
	out := map[int]bool{}
	d, err := h.v.OpenDir("/proc")
	if err != nil {
		return out
	}
	defer d.Close()
	for i := range h.in.Process {
		p := &h.in.Process[i]
		if p.Threads <= 1 {
			continue
		}
		names, _ := d.Names(strconv.Itoa(p.PID) + "/task")
		for _, n := range names {
			if tid, err := strconv.Atoi(n); err == nil {
				out[tid] = true
			}
		}
	}
	return out
}
