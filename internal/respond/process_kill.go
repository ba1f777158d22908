package respond

import (
	"context"
	"errors"
	"fmt"
	"strconv"

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
	for range killRounds {
		k, err := u.freeze(ctx)
		if err != nil && len(k.members) == 0 {
			return i18n.Message{}, err
		}
		if len(k.members) == 0 {
			return toldPIDs("process.ended", ended, k), nil
		}
		if err := endAll(ctx, w, k.members); err != nil {
			return i18n.Message{}, err
		}
		for _, p := range k.members {
			ended = append(ended, strconv.Itoa(p.PID))
		}
	}
	k, err := u.freeze(ctx)
	if err != nil || len(k.members) == 0 {
		return toldPIDs("process.ended", ended, k), err
	}
	p := k.members[0]
	return i18n.Message{}, fmt.Errorf("%s was started again by process %d; it is frozen as %d", f.Exe, p.PPID, p.PID)
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
