package observe

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"

	"demine/internal/fact"
	"demine/internal/format/proc"
)

// mostNumbers are asked for: 0.1 to 0.3 s of one CPU. pid_max may be four
// times as much.
const mostNumbers = 1 << 20

// numbers asks the kernel for every number that a process can have. Numbers
// rise until pid_max and begin anew (pid_namespaces(7)), so up to the last one
// given out and the highest seen all of them are asked for; beyond, only where
// no cgroups tell of every process.
func (h *hider) numbers(ctx context.Context) {
	top := h.number("/proc/sys/kernel/pid_max")
	if h.all || top == 0 {
		top = h.highest()
	}
	if top > mostNumbers && !h.all {
		h.part.Gaps = append(h.part.Gaps, fact.Gap{Code: "not-probed", What: "/proc", Detail: fmt.Sprintf("numbers from %d to %d", mostNumbers, top)})
	}
	alive := h.probe(ctx, min(top, mostNumbers))
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

// probe gives the living numbers up to top that are not listed.
func (h *hider) probe(ctx context.Context, top int) []int {
	const stretch = 4096
	found := make([][]int, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range found {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for from := 1 + w*stretch; from <= top && ctx.Err() == nil; from += len(found) * stretch {
				for n := from; n <= min(top, from+stretch-1); n++ {
					if h.v.Host().Kernel.Alive(n) && !h.listed[n] {
						found[w] = append(found[w], n)
					}
				}
			}
		}()
	}
	wg.Wait()
	var out []int
	for _, f := range found {
		out = append(out, f...)
	}
	return out
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
