package respond

import (
	"context"
	"time"
)

func (f liveFilter) Admit(context.Context, uint32, time.Time, []Doorway, []Admission) error {
	return ErrUnavailable
}

func (f liveFilter) Dismiss(context.Context, []Admission) error { return ErrUnavailable }

func (f liveFilter) Admitted(context.Context) (Admitted, error) { return Admitted{}, ErrUnavailable }

func (f liveFilter) Retire(context.Context) error { return ErrUnavailable }
