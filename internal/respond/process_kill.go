package respond

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/i18n"
)

// processKill ends a family: first all of it is frozen, so that none can start
// another while it is ended. What is started again by somebody else is ended
// again; what does not stay away is left frozen, so that who waits for its end
// does not start the next.
var processKill = define(spec[family, image, struct{}]{
	Name: "process.kill", Phase: Kill, Plan: planKill,
	Look:    lookFamily,
	Prepare: func(context.Context, *Writer, family) (struct{}, error) { return struct{}{}, nil },
	Do:      killFamily,
	Undo:    func(context.Context, *Writer, family, struct{}) error { return ErrNothing },
})

// killRounds: what is there again after so many has somebody who restarts it.
const killRounds = 3

func killFamily(ctx context.Context, w *Writer, f family, _ struct{}) (i18n.Message, error) {
	u := newHunt(w, f)
	var ended []string
	k, err := u.freeze(ctx)
	for range killRounds {
		if err != nil && len(k.members) == 0 {
			return i18n.Message{}, err
		}
		if err := endAll(ctx, w, k.members); err != nil {
			return i18n.Message{}, err
		}
		for _, p := range k.members {
			ended = append(ended, strconv.Itoa(p.PID))
		}
		if k, err = u.comesBack(ctx); err != nil || len(k.members) == 0 {
			return toldPIDs("process.ended", ended, k), err
		}
		k, err = u.freeze(ctx)
	}
	if err != nil || len(k.members) == 0 {
		return toldPIDs("process.ended", ended, k), err
	}
	p := k.members[0]
	return i18n.Message{}, fmt.Errorf("%s was started again by process %d; it is frozen as %d", f.Exe, p.PPID, p.PID)
}

// A parent that starts a program again as soon as it ends does so within this
// time; one that waits first is seen by the next look at the host.
const (
	mostLooks = 10
	lookEvery = 20 * time.Millisecond
)

// comesBack waits a moment for a family that has ended to be there again.
func (u *hunt) comesBack(ctx context.Context) (kin, error) {
	var k kin
	for range mostLooks {
		var err error
		if k, err = u.look(ctx); err != nil || len(k.members) > 0 {
			return k, err
		}
		if err := u.w.Host.Wait(ctx, lookEvery); err != nil {
			return k, err
		}
	}
	return k, nil
}

// endAll sends SIGKILL and waits until all have ended.
func endAll(ctx context.Context, w *Writer, ps []Proc) error {
	for _, p := range ps {
		if err := w.Proc.Signal(p, unix.SIGKILL); err != nil && !errors.Is(err, ErrGone) {
			return err
		}
	}
	return awaitGone(ctx, w.Host, ps)
}
