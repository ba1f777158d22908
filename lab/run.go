package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Result is how a program ended.
type Result struct {
	Stdout, Stderr string
	Exit           int
}

// Run runs a program in the host: as root, in all its namespaces and cgroups, with a clean environment. The error is
// about not having run it; a program that failed is a Result with Exit other than 0.
func (h *Host) Run(ctx context.Context, argv ...string) (Result, error) {
	return h.capture(ctx, h.Inside, nil, argv)
}

// Outside runs a program in the outside world.
func (h *Host) Outside(ctx context.Context, argv ...string) (Result, error) {
	return h.capture(ctx, h.World, nil, argv)
}

// Command is Run or Outside for a caller that handles the streams itself.
func (h *Host) Command(ctx context.Context, outside bool, argv ...string) *exec.Cmd {
	if outside {
		return h.command(ctx, h.World, argv)
	}
	return h.command(ctx, h.Inside, argv)
}

func (h *Host) command(ctx context.Context, in Process, argv []string) *exec.Cmd {
	// First into the host's cgroups, as far as it has any, so that the program is seen there as an operator's session
	// is; then into the namespaces.
	script := `for f in $LAB_CGROUPS; do mkdir -p $f && echo $$ > $f/cgroup.procs; done; exec "$@"`
	args := []string{"-c", script, "sh", "nsenter", "-t", strconv.Itoa(in.PID), "-m", "-u", "-i", "-n", "-p", "-C", "--",
		// nsenter forks to enter the pid namespace; what it forked shall end with it when the caller's context does.
		"setpriv", "--pdeathsig", "KILL", "--bounding-set", droppedCapNames, "--", "env", "-i"}
	args = append(append(args, cleanEnv...), argv...)
	cmd := exec.CommandContext(ctx, "/bin/sh", args...)
	cmd.Env = append(os.Environ(), "LAB_CGROUPS=")
	if in == h.Inside {
		var groups []string
		for _, g := range h.Cgroups {
			groups = append(groups, filepath.Join(g, "user.slice", "lab.scope"))
		}
		cmd.Env[len(cmd.Env)-1] += strings.Join(groups, " ")
	}
	// A killed nsenter leaves its child, which may hold the pipes.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (h *Host) capture(ctx context.Context, in Process, stdin io.Reader, argv []string) (Result, error) {
	if !in.alive() {
		return Result{}, fmt.Errorf("host %s does not run any more: `demine-lab down %s`, then up again", h.Config.Name, h.Config.Name)
	}
	var out, errs bytes.Buffer
	cmd := h.command(ctx, in, argv)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	err := cmd.Run()
	r := Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	var failed *exec.ExitError
	if errors.As(err, &failed) && ctx.Err() == nil {
		err = nil
	}
	if err != nil {
		return r, fmt.Errorf("run %q: %w", argv, err)
	}
	return r, nil
}

// must is capture for the lab's own steps, where a failed program is an error.
func (h *Host) must(ctx context.Context, in Process, stdin string, argv ...string) (string, error) {
	r, err := h.capture(ctx, in, strings.NewReader(stdin), argv)
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("run %q: exit %d: %s%s", argv, r.Exit, r.Stdout, r.Stderr)
	}
	return r.Stdout, err
}

// sh runs a script in the host.
func (h *Host) sh(ctx context.Context, script string) (string, error) {
	return h.must(ctx, h.Inside, "", "sh", "-euc", script)
}

// CopyIn puts a file of this machine into the host, with its mode, owned by root.
func (h *Host) CopyIn(ctx context.Context, src, dst string) error {
	info, err := os.Stat(src)
	if err != nil {
		return err
	}
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	return h.put(ctx, in, dst, info.Mode().Perm())
}

// put writes through a program in the host: from here, an absolute link on the way would lead to this machine's file.
func (h *Host) put(ctx context.Context, text io.Reader, dst string, mode fs.FileMode) error {
	script := `mkdir -p "$1" && rm -f "$2" && cat > "$2" && chmod "$3" "$2"`
	argv := []string{"sh", "-euc", script, "sh", path.Dir(dst), dst, fmt.Sprintf("%o", mode)}
	r, err := h.capture(ctx, h.Inside, text, argv)
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("write %s in the host: %s", dst, r.Stderr)
	}
	return err
}

// errEnded means that waiting is of no use any more.
var errEnded = errors.New("it has ended")

// until polls cond until it returns nil; the last error tells what was missing.
func until(ctx context.Context, limit time.Duration, what string, cond func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		err := cond()
		if err == nil {
			return nil
		}
		if errors.Is(err, errEnded) {
			return fmt.Errorf("waited for %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited for %s: %w; last: %w", what, ctx.Err(), err)
		case <-poll.C:
		}
	}
}
