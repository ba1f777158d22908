// Command demine-lab makes and ends the throwaway hosts that demine is tried on; see package lab.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		fmt.Print(usage())
		return 0
	}
	c, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(os.Stderr, "demine-lab: unknown command %q\n\n%s", args[0], usage())
		return 2
	}
	code, err := c.run(ctx, args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "demine-lab:", err)
		if code == 0 {
			code = 1
		}
	}
	return code
}
