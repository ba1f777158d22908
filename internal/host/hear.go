package host

import "context"

func (liveKernel) Hear(context.Context, int, []Pair, func(Segment)) error { return ErrUnavailable }
