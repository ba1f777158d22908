package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cell is one square of the matrix: a stand-in with one way to hide, or an honest program that looks like a miner.
type Cell struct {
	Name string
	What string // the program, in the words of the table
	// Want is the least certainty of a finding about the stand-in: possible, likely or confirmed. Empty: an honest program,
	// of which only something possible may be said.
	Want string
	play func(context.Context, *Scene) error
}

// Cells are the whole matrix, stand-ins first.
func Cells() []Cell { return slices.Concat(disguises, newMiners, contained, honest) }

// Scene is a cell that is being played.
type Scene struct {
	Cell Cell
	PIDs []int // of a stand-in: the processes of which one must be found

	h    *Host
	undo []func(context.Context) error
}

// matrix is the scenario: a quiet host, and on it the cell that was asked for, which stays.
func matrix(ctx context.Context, h *Host) error {
	h.Config.NoLoad = true
	if err := quiet(ctx, h); err != nil || h.Config.Cell == "" {
		return err
	}
	s, err := h.Enact(ctx, h.Config.Cell)
	if err != nil {
		return err
	}
	h.Facts.Planted = []Planted{{Name: s.Cell.Name, Twin: s.Cell.Want != "", PIDs: s.PIDs}}
	if s.Cell.Want == "confirmed" {
		h.Facts.Expect.Verdict = "mining"
	}
	return nil
}

// Enact plays a cell on a host of scenario matrix and returns once its programs have worked for a while.
func (h *Host) Enact(ctx context.Context, name string) (*Scene, error) {
	c, err := findCell(name)
	if err != nil {
		return nil, err
	}
	s := &Scene{Cell: c, h: h}
	h.step("play %s: %s", name, s.Cell.What)
	if err := s.Cell.play(ctx, s); err != nil {
		return nil, errors.Join(fmt.Errorf("play %s: %w", name, err), s.End(ctx))
	}
	return s, nil
}

func findCell(name string) (Cell, error) {
	var names []string
	for _, c := range Cells() {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return Cell{}, fmt.Errorf("unknown cell %q: choose one of %s", name, strings.Join(names, ", "))
}

// End ends what Enact started and takes its files away.
func (s *Scene) End(ctx context.Context) error {
	var errs []error
	for _, u := range slices.Backward(s.undo) {
		errs = append(errs, u(ctx))
	}
	s.undo = nil
	return errors.Join(errs...)
}

// after remembers a script that undoes something.
func (s *Scene) after(script string) {
	s.undo = append(s.undo, func(ctx context.Context) error {
		_, err := s.h.sh(ctx, script)
		return err
	})
}

// unit is the transient unit that a cell's programs run in, and with which they end.
func (s *Scene) unit() string { return "cell-" + s.Cell.Name }

// start runs a program as the cell's unit, with properties of systemd.exec(5) such as Nice=19, and returns its process
// once it has worked.
func (s *Scene) start(ctx context.Context, properties []string, argv ...string) (int, error) {
	if err := s.run(ctx, properties, argv...); err != nil {
		return 0, err
	}
	if err := s.worked(ctx); err != nil {
		out, _ := s.h.sh(ctx, "systemctl status --no-pager -n 20 "+s.unit()+" 2>&1 || true")
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	out, err := s.h.sh(ctx, "systemctl show -P MainPID "+s.unit())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(out))
}

// run is start without the wait.
func (s *Scene) run(ctx context.Context, properties []string, argv ...string) error {
	run := []string{"systemd-run", "--quiet", "--unit", s.unit(), "-p", "KillSignal=SIGKILL"}
	for _, p := range properties {
		run = append(run, "-p", p)
	}
	s.after("systemctl stop " + s.unit() + "; systemctl reset-failed " + s.unit() + " 2>/dev/null || true")
	_, err := s.h.must(ctx, s.h.Inside, "", append(append(run, "--"), argv...)...)
	return err
}

// mine is start for a stand-in: its first process is to be found.
func (s *Scene) mine(ctx context.Context, properties []string, argv ...string) error {
	pid, err := s.start(ctx, properties, argv...)
	s.PIDs = append(s.PIDs, pid)
	return err
}

// enough CPU time for a program to be past its start, in ticks of a hundredth of a second.
const enough = 40

// worked waits until the programs of the cell's unit, or the processes given, have used enough CPU time.
func (s *Scene) worked(ctx context.Context, pids ...int) error {
	return until(ctx, 2*time.Minute, s.Cell.Name+" to work", func() error {
		out, err := s.h.sh(ctx, fmt.Sprintf(`g=$(systemctl show -P ControlGroup %s); test -n "$g" || echo ended
for p in %s $(test -z "$g" || cat /sys/fs/cgroup/*"$g"/cgroup.procs /sys/fs/cgroup"$g"/cgroup.procs 2>/dev/null | sort -u)
do cat /proc/$p/stat 2>/dev/null || true; done`, s.unit(), strings.Trim(fmt.Sprint(pids), "[]")))
		if err != nil {
			return err
		}
		if strings.HasPrefix(out, "ended") && pids == nil {
			return errEnded
		}
		if n := ticks(out); n < enough {
			return fmt.Errorf("it has used %d ticks: %s", n, out)
		}
		return nil
	})
}

// ticks sums the CPU time in lines of /proc/PID/stat, that of ended children too.
func ticks(stats string) (sum int) {
	for line := range strings.Lines(stats) {
		f := strings.Fields(line[strings.LastIndexByte(line, ')')+1:]) // the name in parentheses may hold anything
		for i := 11; i <= 14 && i < len(f); i++ {                      // fields 14 to 17: utime, stime, cutime, cstime
			n, _ := strconv.Atoi(f[i])
			sum += n
		}
	}
	return sum
}

// program puts a program of the lab into the host for as long as the cell is played.
func (s *Scene) program(ctx context.Context, variant, at string) error {
	from, err := s.h.variant(ctx, variant)
	if err != nil {
		return err
	}
	s.remove(at)
	return s.h.CopyIn(ctx, from, at)
}

// remove takes a file or a folder away at the end.
func (s *Scene) remove(at string) {
	s.after("rm -rf '" + at + "'")
}

// script puts a text of lab/scripts into the host.
func (s *Scene) script(ctx context.Context, name, at string) error {
	raw, err := scripts.ReadFile("scripts/" + name)
	if err != nil {
		return err
	}
	s.remove(at)
	return s.h.put(ctx, strings.NewReader(string(raw)), at, 0o755)
}
