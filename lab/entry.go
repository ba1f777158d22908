package lab

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Entry is one way in, gone as an intruder goes it: the real server, a request from outside, and the stand-in at the end.
// Each is played on a host of its own: what one leaves in the logs would be evidence in the next.
type Entry struct {
	Name  string
	What  string   // in the words of the table
	Cause string   // that must rank first
	Cites []string // evidence, by its ids, that must be cited for it
	// Logs are the files that a careful intruder empties, after which the first cause is Wiped (default: still Cause).
	Logs  []string
	Wiped string
	Cron  Cron // the layout that it needs, if any

	play func(context.Context, *Host) error
}

// Entries are all ways in that the lab plays.
func Entries() []Entry {
	return slices.Concat(redisEntries, sshEntries, serverEntries, dockerEntries, javaEntries, hostEntries)
}

// entry is the scenario: a quiet host without customers, and the way in that was asked for.
func entry(ctx context.Context, h *Host) error {
	h.Config.NoLoad = true
	if err := quiet(ctx, h); err != nil || h.Config.Cell == "" {
		return err
	}
	e, err := findEntry(h.Config.Cell)
	if err != nil {
		return err
	}
	// What names no address of its own comes from the intruder now.
	if err := ip(ctx, h.World, []string{"route replace 198.51.100.0/25 dev lan0 src " + IntruderV4}); err != nil {
		return err
	}
	h.Facts.Expect.Verdict, h.Facts.Intruder.From = "mining", IntruderV4
	h.step("play %s: %s", e.Name, e.What)
	if err := e.play(ctx, h); err != nil {
		return fmt.Errorf("play %s: %w", e.Name, err)
	}
	return h.mines(ctx)
}

func findEntry(name string) (Entry, error) {
	var names []string
	for _, e := range Entries() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Entry{}, fmt.Errorf("unknown cell %q of scenario entry: choose one of %s", name, strings.Join(names, ", "))
}

// mines waits until the stand-in has worked.
func (h *Host) mines(ctx context.Context) error {
	return until(ctx, 2*time.Minute, "the stand-in to work", func() error {
		out, err := h.sh(ctx, "ps -C minerd -o pid=,cputimes= || true")
		if err != nil {
			return err
		}
		f := strings.Fields(out)
		if len(f) < 2 {
			return fmt.Errorf("it does not run: %q", out)
		}
		h.Facts.Miner.PID, _ = strconv.Atoi(f[0])
		if seconds, _ := strconv.Atoi(f[1]); seconds < 2 {
			return fmt.Errorf("it has worked for %d s", seconds)
		}
		return nil
	})
}

// Wipe empties the logs of an entry as a careful intruder does, and the journal, which holds the same lines.
func (h *Host) Wipe(ctx context.Context, e Entry) error {
	script := "rm -rf /var/log/journal/* /run/log/journal/*; systemctl restart systemd-journald\n"
	for _, l := range e.Logs {
		script += ": > " + l + "\n"
	}
	_, err := h.sh(ctx, script)
	return err
}

// open lets a port through the firewall, as an owner did who wanted it to work.
func (h *Host) open(ctx context.Context, port int) error {
	_, err := h.sh(ctx, fmt.Sprintf("%s -I INPUT -p tcp --dport %d -j ACCEPT", h.Config.Firewall, port))
	return err
}

// listens waits for a port of the host.
func (h *Host) listens(ctx context.Context, port int) error {
	return until(ctx, time.Minute, fmt.Sprintf("port %d to be open", port), func() error {
		_, err := h.sh(ctx, fmt.Sprintf("ss -Hltn sport = :%d | grep -q .", port))
		return err
	})
}

// outside runs a script in the world.
func (h *Host) outside(ctx context.Context, stdin, script string) error {
	_, err := h.must(ctx, h.World, stdin, "sh", "-euc", script)
	return err
}

// lay writes a file of the owner's.
func (h *Host) lay(ctx context.Context, at, text string) error {
	return h.put(ctx, strings.NewReader(text), at, 0o644)
}
