package main

import (
	"context"
	"fmt"

	"demine/lab"
)

func tell(s lab.Step) { fmt.Printf("%6.1f s  %s\n", s.After.Seconds(), s.What) }

func reboot(ctx context.Context, args []string) (int, error) {
	f, dir := flags("reboot")
	orderly := f.Bool("orderly", false, "services are stopped before, as by an operator")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 1 {
		return wrong("reboot")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	h.Config.Step = tell
	if *orderly {
		return 0, h.RebootOrderly(ctx)
	}
	return 0, h.Reboot(ctx)
}
