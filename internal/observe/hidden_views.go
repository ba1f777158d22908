package observe

import (
	"context"
	"time"
)

// tasks asks a walk of the kernel over its tasks. Who hides in /proc and from
// the system calls that take a number has not hidden from it.
func (h *hider) tasks() {
	for pid := range h.walk() {
		if !h.listed[pid] {
			h.know(pid, "bpf")
		}
	}
}

// walk gives the processes that it meets; nil where the kernel makes none, or
// where its numbers are not those of /proc.
func (h *hider) walk() map[int]bool {
	if h.in.Host.PIDSpace != "host" {
		return nil
	}
	pids, err := h.v.Host().Kernel.Tasks()
	if err != nil {
		return nil
	}
	h.walked = true
	met := make(map[int]bool, len(pids))
	for _, pid := range pids {
		met[pid] = true
	}
	return met
}

// askAgain asks both views for these: what they know counts as living, whatever
// the system calls say.
func (h *hider) askAgain(ctx context.Context, pids []int) {
	h.again = map[int]bool{}
	if h.in.Host.PIDSpace != "host" || len(pids) == 0 {
		return
	}
	met := h.walk()
	for _, pid := range pids {
		if met[pid] {
			h.know(pid, "bpf")
			h.again[pid] = true
		}
	}
	accounted, _ := h.v.Host().Kernel.Accounted(ctx, pids)
	for _, pid := range accounted {
		h.know(pid, "taskstats")
		h.again[pid] = true
	}
}

// A number costs 1 to 3 µs. Kernels that have no iterator seldom give numbers
// above 32,768 (pid_max); what was started with the machine has a low one.
const (
	mostAccounts = 1 << 16
	accountTime  = 150 * time.Millisecond
)

// worthAccounts: the tasks could not be walked, something hides already, or the
// CPUs did more than all who were seen.
func (h *hider) worthAccounts(found []int) bool {
	return h.in.Host.PIDSpace == "host" && (!h.walked || len(found) > 0 || h.in.Load.Unseen > 0)
}

// accounts asks the kernel's accounting for the numbers that nobody is listed
// under. Where there is none, or where the time is up, it is a view less: the
// others have looked.
func (h *hider) accounts(ctx context.Context) {
	threads := h.threads()
	var ask []int
	for n := range min(h.highest(), mostAccounts) {
		if n++; !h.listed[n] && !threads[n] {
			ask = append(ask, n)
		}
	}
	ctx, stop := context.WithTimeout(ctx, accountTime)
	defer stop()
	pids, _ := h.v.Host().Kernel.Accounted(ctx, ask)
	for _, pid := range pids {
		h.know(pid, "taskstats")
	}
}
