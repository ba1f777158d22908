package respond

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
)

// processes lists every process that /proc shows, by pid. One that ends
// meanwhile is left out, as is a pid whose folder is not procfs (something is
// mounted over it). It reads no more than it must: about 15 µs a process.
func processes(ctx context.Context, h *host.Host) ([]Proc, error) {
	names, err := h.Files.Names("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	root, err := h.Files.Stat("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	pids := pidsOf(names)
	found := make([]Proc, len(pids))
	workers := runtime.GOMAXPROCS(0)
	done := make(chan struct{})
	for w := range workers {
		go func() {
			defer func() { done <- struct{}{} }()
			buf := make([]byte, 0, 4096)
			for i := w; i < len(pids) && ctx.Err() == nil; i += workers {
				found[i], _ = readProc(h, pids[i], root.ID.Dev, buf)
			}
		}()
	}
	for range workers {
		<-done
	}
	out := found[:0]
	for _, p := range found {
		if p.PID != 0 {
			out = append(out, p)
		}
	}
	if len(out) == 0 && ctx.Err() == nil {
		return nil, fmt.Errorf("list processes: /proc shows none")
	}
	return out, ctx.Err()
}

func pidsOf(names []string) []int {
	var pids []int
	for _, n := range names {
		if n[0] < '1' || n[0] > '9' {
			continue
		}
		if pid, err := strconv.Atoi(n); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func pidPath(pid int) fact.Path { return fact.Path("/proc/" + strconv.Itoa(pid)) }

// readProc reads one process through one descriptor. ErrGone: it is not there.
func readProc(h *host.Host, pid int, dev uint64, buf []byte) (Proc, error) {
	d, err := h.Files.OpenDir(pidPath(pid))
	if err != nil {
		return Proc{}, goneOr(err)
	}
	defer d.Close()
	own, err := d.Stat(".")
	if err != nil {
		return Proc{}, goneOr(err)
	}
	if own.ID.Dev != dev {
		return Proc{}, fmt.Errorf("process %d: something is mounted over it", pid)
	}
	p, err := readStat(d, pid, buf)
	if err != nil {
		return p, err
	}
	p.UID = own.UID
	if p.Kernel {
		return p, nil
	}
	if exe, err := d.Readlink("exe"); err == nil {
		p.Exe = fact.Path(strings.TrimSuffix(exe, " (deleted)"))
		if i, err := d.Stat("exe"); err == nil {
			p.ExeID = i.ID
		}
	}
	return p, nil
}

// procOf reads one process. ErrGone: it is not there.
func procOf(h *host.Host, pid int) (Proc, error) {
	root, err := h.Files.Stat("/proc")
	if err != nil {
		return Proc{}, err
	}
	return readProc(h, pid, root.ID.Dev, make([]byte, 0, 4096))
}

// readStat reads what /proc/PID/stat says.
func readStat(d host.Dir, pid int, buf []byte) (Proc, error) {
	b, err := d.ReadFile("stat", buf)
	if err != nil {
		return Proc{}, goneOr(err)
	}
	st, err := proc.Stat(b)
	if err != nil || st.PID != pid {
		return Proc{}, fmt.Errorf("process %d: stat cannot be read", pid)
	}
	return Proc{PID: pid, PPID: st.PPID, Session: st.Session, Start: st.Start, Comm: st.Comm, State: st.State,
		Kernel: st.Flags&proc.FlagKernelThread != 0}, nil
}

// stateOf is the state that a process is in now; ErrGone when it has ended and
// was collected, or its pid belongs to another.
func stateOf(h *host.Host, id procID) (byte, error) {
	d, err := h.Files.OpenDir(pidPath(id.PID))
	if err != nil {
		return 0, goneOr(err)
	}
	defer d.Close()
	p, err := readStat(d, id.PID, make([]byte, 0, 4096))
	if err == nil && p.Start != id.Start {
		err = ErrGone
	}
	return p.State, err
}

func goneOr(err error) error {
	if host.Gone(err) {
		return ErrGone
	}
	return err
}
