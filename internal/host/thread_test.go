package host

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// What a thread is made for is never done by the first one of the process, which
// /proc/PID tells of.
func TestOnThread(t *testing.T) {
	var first, n atomic.Int32
	var wg sync.WaitGroup
	for range 500 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			onThread(func() {
				if n.Add(1); unix.Gettid() == unix.Getpid() {
					first.Add(1)
				}
			})
		}()
	}
	wg.Wait()
	if first.Load() > 0 || n.Load() != 500 {
		t.Errorf("done %d times, by the first thread %d times", n.Load(), first.Load())
	}
}
