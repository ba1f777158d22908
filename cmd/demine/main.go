// Command demine finds implanted cryptominers on a Linux host and explains how
// they got in.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"demine/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
