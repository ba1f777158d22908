// Command sale is the lab's flash-sale shop and the customers that storm it.
//
//	sale serve   HTTP on :8080; an order takes one piece of stock from Redis (SHOP_REDIS, a redis:// URL) and writes a
//	             row to MariaDB (SHOP_DSN)
//	sale load    orders at a steady rate and reports how long customers wait, a JSON line a second
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: sale serve|load [flags]")
		os.Exit(2)
	}
	var err error
	switch os.Args[1] {
	case "serve":
		err = serve(ctx, os.Args[2:])
	case "load":
		err = load(ctx, os.Args[2:])
	default:
		err = fmt.Errorf("unknown mode %q: use serve or load", os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sale:", err)
		os.Exit(1)
	}
}
