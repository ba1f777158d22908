package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"demine/lab"
)

// story plays the incident to its end on a host of scenario seed.
func story(ctx context.Context, args []string) (int, error) {
	f, dir := flags("story")
	demine := f.String("demine", "demine", "the built binary")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 1 {
		return wrong("story")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	h.Config.Step = func(s lab.Step) { fmt.Fprintf(os.Stderr, "%7.1f s  %s\n", s.After.Seconds(), s.What) }
	s, err := h.Play(ctx, *demine, func(line string) { fmt.Println(line) })
	if err != nil {
		return 1, err
	}
	figures(s)
	return 0, nil
}

func figures(s lab.Story) {
	fmt.Println("\nThe customers of the flash sale, 20 seconds each:")
	for _, l := range []struct {
		when string
		of   lab.Summary
	}{{"before", s.Before}, {"while it mines", s.During}, {"contained", s.Contained}, {"after all of it", s.After}} {
		fmt.Printf("  %-16s %s\n", l.when, l.of)
	}
	fmt.Printf("  p95 after / before: %.2f\n", s.After.P95/s.Before.P95)
	fmt.Printf("contain took %s from the decision on.\nA knock at Redis from the intruder's addresses:\n", s.Contain)
	for _, when := range slices.Sorted(maps.Keys(s.Doors)) {
		fmt.Printf("  %-16s %s\n", when, s.Doors[when])
	}
}
