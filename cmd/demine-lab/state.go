package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"demine/lab"
)

func state(ctx context.Context, args []string) (int, error) {
	f, dir := flags("state")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 1 {
		return wrong("state")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	s, err := h.State(ctx)
	if err != nil {
		return 1, err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return 0, out.Encode(s)
}

func diff(_ context.Context, args []string) (int, error) {
	f, _ := flags("diff")
	var except []string
	f.Func("except", "leave out things whose name fits; * is anything", func(p string) error {
		except = append(except, p)
		return nil
	})
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 2 {
		return wrong("diff")
	}
	var states [2]lab.State
	for i, name := range words {
		raw, err := os.ReadFile(name)
		if err != nil {
			return 2, err
		}
		if err := json.Unmarshal(raw, &states[i]); err != nil {
			return 2, fmt.Errorf("%s is no state: %w", name, err)
		}
	}
	changes := lab.Diff(states[0], states[1], except...)
	for _, c := range changes {
		fmt.Println(c)
	}
	return min(len(changes), 1), nil
}
