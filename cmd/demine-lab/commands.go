package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"demine/lab"
)

type command struct {
	args, doc string
	run       func(context.Context, []string) (int, error)
}

var commands map[string]command

// order is that of the help text.
var order = []string{"up", "exec", "cp", "firewall", "reboot", "state", "diff", "knock", "hold", "held", "waits", "story", "facts", "list", "down"}

func init() {
	commands = map[string]command{
		"up":       {"SCENARIO [--name N] [--cron KIND] [--firewall KIND] [--no-load] [--threads N] [--redis-by unit|hand] [--redis-replica] [--cell CELL]", "make a host and play the scenario on it", up},
		"exec":     {"NAME [--outside] -- CMD…", "run a program in the host, or in the world outside it", execute},
		"cp":       {"NAME SRC DST", "copy a file of this machine into the host", copyIn},
		"firewall": {"NAME KIND", "replace the host's firewall by the same rules in another kind", firewall},
		"reboot":   {"NAME [--orderly]", "cut the host's power, or shut it down in order, and boot it from its disk", reboot},
		"state":    {"NAME > FILE", "print what an undo must restore, as JSON", state},
		"diff":     {"FILE FILE [--except PATTERN]…", "compare two states; status 1 if they differ", diff},
		"knock":    {"NAME --from ADDR --to ADDR:PORT", "try from outside whether a port is open; status 1 if not", knock},
		"hold":     {"NAME --from ADDR --to ADDR:PORT", "open a connection to Redis from outside, keep it, and print its name", hold},
		"held":     {"NAME CONNECTION [--close]", "say PING over a connection that is held; status 1 if there is no PONG", held},
		"waits":    {"NAME [--last DURATION]", "how long customers have waited", waits},
		"story":    {"NAME [--demine FILE]", "play the incident to its end on a host of scenario seed: look, contain, clean, harden, reboot", story},
		"facts":    {"NAME", "print what was really done to the host, as JSON", facts},
		"list":     {"", "list the hosts", list},
		"down":     {"NAME | --all", "end a host and delete it", down},
	}
}

func usage() string {
	var b strings.Builder
	b.WriteString("demine-lab: throwaway hosts to try demine on (needs root)\n\n")
	for _, name := range order {
		c := commands[name]
		fmt.Fprintf(&b, "  demine-lab %s %s\n      %s\n", name, c.args, c.doc)
	}
	b.WriteString("\nScenarios:\n")
	for _, s := range lab.Scenarios() {
		fmt.Fprintf(&b, "  %-11s %s\n", s, lab.Describe(s))
	}
	fmt.Fprintf(&b, "\nKinds of --cron: %v; of --firewall: %v. The first is the default.\n", lab.Crons, lab.Firewalls)
	b.WriteString("\nCells of the scenario matrix (up matrix --cell CELL), stand-ins and then honest programs:\n")
	for _, c := range lab.Cells() {
		fmt.Fprintf(&b, "  %-16s %s\n", c.Name, c.What)
	}
	b.WriteString("\nWays in of the scenario entry (up entry --cell CELL):\n")
	for _, e := range lab.Entries() {
		fmt.Fprintf(&b, "  %-16s %s\n", e.Name, e.What)
	}
	b.WriteString("\nEvery command takes --dir DIR, the folder that holds demine-lab-NAME (default: the system's for temporary files).\n")
	return b.String()
}

// parse reads flags wherever they stand, up to a lone --, and returns the other words and what follows --.
func parse(f *flag.FlagSet, args []string) (words, rest []string, err error) {
	f.SetOutput(os.Stderr)
	for i, a := range args {
		if a == "--" {
			args, rest = args[:i], args[i+1:]
			break
		}
	}
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			return nil, nil, err
		}
		if args = f.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	return words, rest, nil
}

func flags(name string) (*flag.FlagSet, *string) {
	f := flag.NewFlagSet("demine-lab "+name, flag.ContinueOnError)
	return f, f.String("dir", os.Getenv("DEMINE_LAB_DIR"), "folder that holds demine-lab-NAME")
}

func wrong(name string) (int, error) {
	return 2, fmt.Errorf("usage: demine-lab %s %s", name, commands[name].args)
}

func up(ctx context.Context, args []string) (int, error) {
	f, dir := flags("up")
	var c lab.Config
	f.StringVar(&c.Name, "name", "", "name of the host (default: the scenario's)")
	cron := f.String("cron", "", "cron layout: rhel, busybox or debian")
	kind := f.String("firewall", "", "iptables-legacy, iptables-nft or nft")
	f.BoolVar(&c.NoLoad, "no-load", false, "no customers")
	f.IntVar(&c.Threads, "threads", 0, "CPUs that the stand-in burns (default: all)")
	launcher := f.String("redis-by", "", "unit, or hand: from an ssh session, by nothing that starts it again")
	f.BoolVar(&c.Replica, "redis-replica", false, "a second Redis on 127.0.0.1:6381 that copies the first")
	f.StringVar(&c.Cell, "cell", "", "of scenario matrix or entry: the cell to play")
	f.StringVar(&c.Source, "source", "", "root of demine's source tree (default: found upwards from here)")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil // flag has said it
	}
	if len(words) != 1 {
		return wrong("up")
	}
	c.Scenario, c.Cron, c.Firewall, c.Dir = words[0], lab.Cron(*cron), lab.Firewall(*kind), *dir
	c.RedisBy, c.Step = lab.Launcher(*launcher), tell
	began := time.Now()
	h, err := lab.Up(ctx, c)
	if err != nil {
		return 1, err
	}
	fmt.Printf("%6.1f s  %s runs. Look around: demine-lab exec %s -- bash; end it: demine-lab down %s\n",
		time.Since(began).Seconds(), h.Config.Name, h.Config.Name, h.Config.Name)
	return 0, nil
}

func execute(ctx context.Context, args []string) (int, error) {
	f, dir := flags("exec")
	outside := f.Bool("outside", false, "in the world outside the host")
	words, argv, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 1 || len(argv) == 0 {
		return wrong("exec")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	if !h.Running() {
		return 1, fmt.Errorf("%s does not run any more: demine-lab down %s", words[0], words[0])
	}
	cmd := h.Command(ctx, *outside, argv...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return failed.ExitCode(), nil
	}
	return 0, err
}

func copyIn(ctx context.Context, args []string) (int, error) {
	f, dir := flags("cp")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 3 {
		return wrong("cp")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	return 0, h.CopyIn(ctx, words[1], words[2])
}

func firewall(ctx context.Context, args []string) (int, error) {
	f, dir := flags("firewall")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 2 {
		return wrong("firewall")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	return 0, h.SwitchFirewall(ctx, lab.Firewall(words[1]))
}

func facts(_ context.Context, args []string) (int, error) {
	f, dir := flags("facts")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if len(words) != 1 {
		return wrong("facts")
	}
	h, err := lab.Load(*dir, words[0])
	if err != nil {
		return 1, err
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return 0, out.Encode(h.Facts)
}

func list(_ context.Context, args []string) (int, error) {
	f, dir := flags("list")
	if words, _, err := parse(f, args); err != nil {
		return 2, nil
	} else if len(words) != 0 {
		return wrong("list")
	}
	hosts, err := lab.List(*dir)
	if len(hosts) == 0 && err == nil {
		fmt.Println("no hosts: make one with `demine-lab up seed`")
	}
	for _, h := range hosts {
		state := "runs"
		if !h.Running() {
			state = "ended: demine-lab reboot " + h.Config.Name + ", or down"
		}
		fmt.Printf("%-16s %-11s %-8s %-16s since %s  pid %d  %s\n", h.Config.Name, h.Config.Scenario, h.Config.Cron, h.Config.Firewall,
			h.Began.Format(time.TimeOnly), h.Inside.PID, state)
	}
	return 0, err
}

func down(_ context.Context, args []string) (int, error) {
	f, dir := flags("down")
	all := f.Bool("all", false, "all hosts")
	words, _, err := parse(f, args)
	if err != nil {
		return 2, nil
	}
	if (len(words) == 1) == *all {
		return wrong("down")
	}
	var hosts []*lab.Host
	if *all {
		hosts, err = lab.List(*dir)
	} else {
		var h *lab.Host
		h, err = lab.Load(*dir, words[0])
		hosts = append(hosts, h)
	}
	if err != nil {
		return 1, err
	}
	var errs []error
	for _, h := range hosts {
		if err := h.Down(); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Println(h.Config.Name, "is gone")
	}
	return 0, errors.Join(errs...)
}
