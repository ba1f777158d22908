package host

import (
	"context"
	"errors"
	"testing"
	"time"
)

// The clock that cannot be set goes on, and a wait ends by time and by context.
// That somebody sets the wall clock cannot be tried here: all that run on this
// machine share it.
func TestClock(t *testing.T) {
	was, err := SinceBoot()
	if err != nil || was <= 0 {
		t.Fatalf("since boot: %v, %v", was, err)
	}
	w, err := WatchWall()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	const d = 30 * time.Millisecond
	if _, err := w.Wait(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if now, err := SinceBoot(); err != nil || now-was < d {
		t.Errorf("after a wait of %v: %v since boot, before %v, error %v", d, now, was, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Wait(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v", err)
	}
}
