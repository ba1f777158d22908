package observe

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strconv"

	"demine/internal/fact"
	"demine/internal/format/proc"
)

var hidden = &Observer{
	Name: "hidden",
	Doc: "processes that are kept from sight: not listed, but known to their cgroup, to a child, by their number, " +
		"to a walk over the kernel's tasks or to its accounting; or with something mounted over their folder",
	Sees:  []string{fact.KindProcess},
	Needs: []string{"process"},
	Reads: []string{"/proc", "/proc/*", "/proc/*/**", "/sys/fs/cgroup", "/sys/fs/cgroup/**"},
	See:   seeHidden,
}

// seeHidden compares the list of processes with the other views of them that
// the kernel gives: a program that hides from one is rarely gone from all.
func seeHidden(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	names, err := v.Names("/proc")
	if err != nil || len(in.Process) == 0 {
		return p, errNoProcess
	}
	h := &hider{v: v, in: in, by: map[int][]string{}, part: &p, r: newReader(v, in)}
	h.list(names)
	mounts := h.mounts()
	h.covered(mounts)
	if !h.listed[1] { // hidepid: what an ordinary user does not see is not hidden from root
		p.Gaps = append(p.Gaps, fact.Gap{Code: "no-permission", What: "/proc", Detail: "processes of other users are hidden (hidepid)"})
		return p, nil
	}
	h.cgroups(ctx, mounts)
	h.parents()
	h.numbers(ctx)
	h.tasks()
	if err := ctx.Err(); err != nil {
		return p, err
	}
	found := h.unlisted(ctx)
	if h.worthAccounts(found) {
		h.accounts(ctx)
		found = h.unlisted(ctx)
	}
	for _, pid := range found {
		h.add(pid, "list")
	}
	return p, nil
}

// hider gathers which views know of which process.
type hider struct {
	v      *View
	in     *fact.Snapshot
	r      *procReader
	listed map[int]bool     // by /proc, now
	by     map[int][]string // the views that know a number; of listed ones too
	part   *Part
	all    bool // the cgroups know every process that is listed
	walked bool // the kernel's tasks were walked

	again map[int]bool // of those that are asked for a second time: known still
}

func (h *hider) know(pid int, view string) {
	if !slices.Contains(h.by[pid], view) {
		h.by[pid] = append(h.by[pid], view)
	}
}

// asked is the view of one that another view named.
func (h *hider) asked(pid int) {
	if h.v.Host().Kernel.Alive(pid) {
		h.know(pid, "number")
	}
}

func (h *hider) list(names []string) {
	h.listed = make(map[int]bool, len(names))
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil && pid > 0 {
			h.listed[pid] = true
		}
	}
}

// parents are those of listed processes: a parent that ended has left its
// children to another.
func (h *hider) parents() {
	for i := range h.in.Process {
		if p := h.in.Process[i].PPID; p > 0 && !h.listed[p] {
			h.know(p, "child")
		}
	}
}

// unlisted gives the processes that some view knows, that live, and that /proc
// does not list. It looks twice: one that ended, began or turned out to be a
// thread in the meantime is not hidden.
func (h *hider) unlisted(ctx context.Context) []int {
	var found []int
	for pid := range h.by {
		if !h.listed[pid] {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	for range 2 {
		if len(found) == 0 {
			return nil
		}
		alive := h.leading(ctx, found)
		names, err := h.v.Names("/proc")
		if err != nil {
			h.part.gap("/proc", err)
			return nil
		}
		h.list(names)
		found = h.leading(ctx, slices.DeleteFunc(alive, func(pid int) bool { return h.listed[pid] }))
	}
	return found
}

// leading leaves those that are living processes now.
func (h *hider) leading(ctx context.Context, pids []int) []int {
	h.askAgain(ctx, pids)
	return slices.DeleteFunc(pids, func(pid int) bool { return !h.leads(pid) })
}

// leads reports whether a number is that of a living process, not of a thread
// of one. Of what /proc does not show at all the kernel's word must do.
func (h *hider) leads(pid int) bool {
	b, _, err := h.v.ReadFile(pidPath(pid)+"/status", 64<<10)
	if err == nil {
		if t := proc.Status(b).TGID; t != 0 && t != pid {
			return false
		}
	} else if !gone(err) && !errors.Is(err, fs.ErrNotExist) {
		return false // no right to see it: nothing can be said of it
	}
	return h.again[pid] || h.v.Host().Kernel.Alive(pid)
}

// add adds a hidden process with all that can be read of it; at the least that
// there is one.
func (h *hider) add(pid int, how string) {
	if i := slices.IndexFunc(h.in.Process, func(p fact.Process) bool { return p.PID == pid && len(p.Hidden) > 0 }); i >= 0 {
		p := h.in.Process[i] // found before, and more is known of it by now
		p.KnownBy = h.by[pid]
		h.part.Process = append(h.part.Process, p)
		return
	}
	var got Part
	h.r.read(pid, make([]byte, 0, 64<<10), &got)
	h.part.Gaps = append(h.part.Gaps, got.Gaps...)
	p := fact.Process{
		Ref: fact.ProcessRef(h.in.Host.Boot, pid, 0), PID: pid, CPUNow: -1, WaitNow: -1, BusyNow: -1,
		Gaps: []string{"exe", "cwd", "sockets", "argv", "comm"},
	}
	if len(got.Process) == 1 {
		p = got.Process[0]
	}
	h.asked(pid)
	p.Hidden, p.KnownBy = []string{how}, h.by[pid]
	h.part.Process = append(h.part.Process, p)
}
