// Command demine finds implanted cryptominers on a Linux host and explains how
// they got in.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"demine/internal/cli"
)

func main() {
	// A look lives for a second and holds some 20 MiB: collecting seldom saves a
	// tenth of its CPU on a host that has none to spare. The limit keeps memory
	// where it is promised.
	debug.SetGCPercent(300)
	debug.SetMemoryLimit(40 << 20)
	wakePoller()
	signal.Ignore(syscall.SIGPIPE) // a reader that is gone is an error that is told, not a sudden end
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

// wakePoller has Go's poller take its two descriptors while there are any: the
// runtime ends the program when it wants them later and gets none.
func wakePoller() {
	if f, err := os.Open(os.DevNull); err == nil {
		_ = f.Close()
	}
}
