package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"strconv"
	"time"

	"demine/lab"
)

// between reads from where to where a probe is to go.
func between(f *flag.FlagSet, args []string) (words []string, from, addr string, port int, err error) {
	f.StringVar(&from, "from", lab.IntruderV4, "address outside: intruder "+lab.IntruderV4+" "+lab.IntruderV6+", developer "+lab.DeveloperV4+" "+
		lab.DeveloperV6+", office "+lab.OperatorV4+" "+lab.OperatorV6)
	to := f.String("to", net.JoinHostPort(lab.HostV4, strconv.Itoa(lab.DoorPort)), "address and port of the host, which has "+lab.HostV4+" and "+lab.HostV6)
	if words, _, err = parse(f, args); err != nil {
		return
	}
	addr, number, err := net.SplitHostPort(*to)
	if err == nil {
		port, err = strconv.Atoi(number)
	}
	return
}

func knock(ctx context.Context, args []string) (int, error) {
	f, dir := flags("knock")
	words, from, addr, port, err := between(f, args)
	if err != nil {
		return 2, err
	}
	if len(words) != 1 {
		return wrong("knock")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 2, err
	}
	open, how, err := h.Knock(ctx, from, addr, port)
	if err != nil {
		return 2, err
	}
	fmt.Println(how)
	if !open {
		return 1, nil
	}
	return 0, nil
}

func hold(ctx context.Context, args []string) (int, error) {
	f, dir := flags("hold")
	words, from, addr, port, err := between(f, args)
	if err != nil {
		return 2, err
	}
	if len(words) != 1 {
		return wrong("hold")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	c, err := h.Hold(ctx, from, addr, port)
	if err != nil {
		return 1, err
	}
	fmt.Println(c.Name)
	return 0, nil
}

func held(ctx context.Context, args []string) (int, error) {
	f, dir := flags("held")
	end := f.Bool("close", false, "end the connection")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 2 {
		return wrong("held")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 2, err
	}
	if *end {
		return 0, h.Held(words[1]).Close(ctx)
	}
	says, err := h.Held(words[1]).Ping(ctx)
	if err != nil {
		return 2, err
	}
	fmt.Println(says)
	if says != "PONG" {
		return 1, nil
	}
	return 0, nil
}

func waits(ctx context.Context, args []string) (int, error) {
	f, dir := flags("waits")
	last := f.Duration("last", time.Hour, "how far back")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 1 {
		return wrong("waits")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	all, err := h.Waits(ctx)
	if err != nil {
		return 1, err
	}
	now := time.Now()
	fmt.Println(all.Summary(now.Add(-*last), now))
	return 0, nil
}
