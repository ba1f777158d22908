package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"demine/internal/host"
	"demine/internal/i18n"
)

// doorShut closes the port of a confirmed incident's door until the next boot,
// to all but those that must not be cut off. It does not revert by itself: it
// is never about a port that the operator comes in by.
var doorShut = define(spec[doorWith, doorSeen, doorUndo]{
	Name: "door.shut", Phase: Door,
	Look: lookDoor, Prepare: prepareDoor, Do: shutDoor, Undo: openDoor,
})

type doorWith struct {
	Shut Shut `json:"shut"` // its Interfaces are found when it is done
}

// doorSeen is what stands before the port already: a shut with other sources.
type doorSeen struct {
	Shut *Shut `json:"shut,omitempty"`
}

type doorUndo struct {
	Shut Shut  `json:"shut"`
	Was  *Shut `json:"was,omitempty"`
}

func lookDoor(ctx context.Context, h *host.Host, with doorWith) (doorSeen, error) {
	if err := guardSSH(ctx, h, with.Shut.Port); err != nil {
		return doorSeen{}, err
	}
	sets, _ := h.Kernel.Firewall(ctx)
	was := samePort(shutsIn(sets), with.Shut)
	if was != nil && slices.Equal(was.Keep, with.Shut.normal().Keep) {
		return doorSeen{}, ErrNothing
	}
	return doorSeen{was}, nil
}

func samePort(in []Shut, s Shut) *Shut {
	if i := slices.IndexFunc(in, s.samePort); i >= 0 {
		return &in[i]
	}
	return nil
}

func prepareDoor(ctx context.Context, w *Writer, with doorWith) (doorUndo, error) {
	have, err := w.Filter.Shuts(ctx)
	if err != nil {
		return doorUndo{}, err
	}
	s := with.Shut.normal()
	s.Interfaces = containerInterfaces()
	return doorUndo{Shut: s.normal(), Was: samePort(have, s)}, nil
}

func shutDoor(ctx context.Context, w *Writer, _ doorWith, u doorUndo) (i18n.Message, error) {
	err := w.Filter.Shut(ctx, u.Shut)
	if errors.Is(err, ErrUnavailable) {
		return i18n.Message{}, Refuse("refuse.door.no-filter", "port", u.Shut.Port, "error", err.Error(),
			"command", fmt.Sprintf("iptables -I INPUT ! -i lo -p %s --dport %d -j DROP", u.Shut.Proto, u.Shut.Port))
	}
	if err != nil {
		return i18n.Message{}, fmt.Errorf("shut port %d: %w", u.Shut.Port, err)
	}
	now, err := w.Filter.Shuts(ctx)
	if err != nil {
		return i18n.Message{}, err
	}
	if s := samePort(now, u.Shut); s == nil || !s.same(u.Shut) {
		return i18n.Message{}, fmt.Errorf("port %d: the kernel took the rules and does not have them", u.Shut.Port)
	}
	return i18n.M("door.done", "port", u.Shut.Port), nil
}

// openDoor puts back what stood before the port before, if what stands there
// now is what the step put.
func openDoor(ctx context.Context, w *Writer, _ doorWith, u doorUndo) error {
	have, err := w.Filter.Shuts(ctx)
	if err != nil {
		return err
	}
	now := samePort(have, u.Shut)
	switch {
	case now == nil: // a reboot, or it never began
		return ErrNothing
	case u.Was != nil && now.same(*u.Was):
		return ErrNothing
	case !now.same(u.Shut):
		return fmt.Errorf("port %d is shut with other sources: %w", u.Shut.Port, ErrDrifted)
	case u.Was != nil:
		return w.Filter.Shut(ctx, *u.Was)
	}
	return w.Filter.Reopen(ctx, u.Shut)
}
