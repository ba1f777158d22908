package respond

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"demine/internal/format/proc"
	"demine/internal/host"
	"demine/internal/i18n"
)

// processFreeze stops a family where it stands: its memory stays, its CPU is
// free at once, and it can go on.
var processFreeze = define(spec[family, image, frozen]{
	Name: "process.freeze", Phase: Freeze, Unsure: true,
	Look: lookRunning,
	Prepare: func(ctx context.Context, w *Writer, f family) (frozen, error) {
		k, err := newHunt(w, f).look(ctx)
		if err != nil {
			return frozen{}, err
		}
		u := frozen{Ticks: uptimeTicks(w.Host)}
		for _, p := range k.members {
			u.Members = append(u.Members, p.id())
			if p.halted() {
				u.Halted = append(u.Halted, p.id())
			}
		}
		return u, nil
	},
	Do: func(ctx context.Context, w *Writer, f family, u frozen) (i18n.Message, error) {
		hunt := newHunt(w, f)
		hunt.strike(ctx, u.Members)
		k, err := hunt.freeze(ctx)
		if err != nil && len(k.members) > 0 {
			// What is frozen stays so: an error would let it go on.
			return i18n.M("process.partly", "done", toldKin("process.frozen", k), "error", err.Error()), nil
		}
		return toldKin("process.frozen", k), err
	},
	Undo: thaw,
})

// frozen is what an undo of a freeze needs.
type frozen struct {
	Members []procID `json:"members"`
	Halted  []procID `json:"halted,omitempty"` // stood still before
	Ticks   uint64   `json:"ticks,omitempty"`  // when it began, in clock ticks after boot
}

// lookFamily tells whether there is anything of a family.
func lookFamily(ctx context.Context, h *host.Host, f family) (image, error) {
	u := newHunt(&Writer{Host: h}, f)
	if _, ok := u.root(ctx); ok {
		return image{f.Exe, f.ID}, nil
	}
	k, err := u.look(ctx)
	if err != nil {
		return image{}, err
	}
	return k.sight(f)
}

// lookRunning is lookFamily; ErrNothing also when all of it stands still.
func lookRunning(ctx context.Context, h *host.Host, f family) (image, error) {
	u := newHunt(&Writer{Host: h}, f)
	if p, ok := u.root(ctx); ok && !p.halted() {
		return image{f.Exe, f.ID}, nil
	}
	k, err := u.look(ctx)
	if err != nil {
		return image{}, err
	}
	if len(k.members) > 0 && !slices.ContainsFunc(k.members, func(p Proc) bool { return !p.halted() }) {
		return image{}, ErrNothing
	}
	return k.sight(f)
}

// startedIn is how long a freeze may have taken, in ticks: what was started
// later was stopped by somebody else.
const startedIn = 30 * 100

// thaw continues what the freeze has stopped and is still the same.
func thaw(ctx context.Context, w *Writer, f family, u frozen) error {
	hunt := newHunt(w, f)
	for _, id := range u.Members {
		hunt.known[id] = true
	}
	k, err := hunt.look(ctx)
	if err != nil {
		return err
	}
	stood := map[procID]bool{}
	for _, id := range u.Halted {
		stood[id] = true
	}
	var errs []error
	continued := 0
	for _, p := range k.members {
		if p.State != 'T' || stood[p.id()] || u.Ticks > 0 && p.Start > u.Ticks+startedIn {
			continue
		}
		if err := w.Proc.Signal(p, unix.SIGCONT); err != nil && !errors.Is(err, ErrGone) {
			errs = append(errs, err)
			continue
		}
		continued++
	}
	if continued == 0 && len(errs) == 0 {
		return ErrNothing
	}
	return errors.Join(errs...)
}

// uptimeTicks is the time since boot in clock ticks; 0 when the host does not say.
func uptimeTicks(h *host.Host) uint64 {
	b, _, err := h.Files.ReadFile("/proc/uptime", 128)
	whole, _, _ := bytes.Cut(b, []byte{'.'})
	s, ok := proc.Uint(whole)
	if err != nil || !ok {
		return 0
	}
	return s * 100
}

// toldKin says how many processes something was done to, and who was spared.
func toldKin(id string, k kin) i18n.Message {
	var pids []string
	for _, p := range k.members {
		pids = append(pids, strconv.Itoa(p.PID))
	}
	return toldPIDs(id, pids, k)
}

func toldPIDs(id string, pids []string, k kin) i18n.Message {
	m := i18n.M(id, "n", len(pids), "pids", pids)
	if len(k.others) > 0 {
		m = i18n.M("process.and-others", "done", m, "n", len(k.others), "exe", k.others[0].Exe.String())
	}
	if len(k.spared) > 0 {
		var why []i18n.Message
		for _, r := range k.spared {
			why = append(why, r.Message)
		}
		m = i18n.M("process.but", "done", m, "spared", why)
	}
	return m
}
