package host

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread of its own, which ends with it, and waits for it. It
// is never the first one of the process: that would not end, and what /proc/PID tells
// of the process, as its network namespace, is that thread's.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		onThread(f) // elsewhere: this one is held until then
		runtime.UnlockOSThread()
	}()
	<-done
}
