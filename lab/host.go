package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Host is a throwaway host that runs, with its outside world. It outlives the process that made it; Load finds it
// again.
type Host struct {
	Config  Config
	Folder  string    // everything that the host keeps on this machine
	Began   time.Time // when Up began
	Inside  Process   // the host's pid 1
	World   Process   // the outside world's pid 1
	Cgroups []string  // folders made in this machine's cgroup hierarchies
	Facts   Facts

	clock time.Time // from which steps are counted
}

// Process names a process of this machine beyond the reuse of its number.
type Process struct {
	PID   int
	Start uint64 // clock ticks after boot, field 22 of /proc/PID/stat
}

const stateFile = "host.json"

// Up builds the host that c asks for and returns when its scenario is in place. If it fails, or ctx ends, everything
// is taken down again.
func Up(ctx context.Context, c Config) (*Host, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Host{Config: c, Folder: Folder(c.Dir, c.Name), Began: time.Now()}
	h.clock = h.Began
	if err := downAbandoned(c); err != nil {
		return nil, err
	}
	if _, err := os.Stat(h.Folder); err == nil {
		return nil, fmt.Errorf("a host named %q is there already: `demine-lab down %s` first, or choose another --name", c.Name, c.Name)
	}
	if err := h.up(ctx); err != nil {
		err = fmt.Errorf("%s: %w%s", c.Name, err, h.console())
		return nil, errors.Join(err, h.Down())
	}
	return h, nil
}

// downAbandoned makes room where a host of this name was left by an owner that was cut off.
func downAbandoned(c Config) error {
	left, err := Load(c.Dir, c.Name)
	if err != nil || left.Config.Owner.PID == 0 || left.Config.Owner.alive() {
		return nil
	}
	return left.Down()
}

func (h *Host) up(ctx context.Context) error {
	for _, d := range []string{"bin", "upper", "work", "root", "world/upper", "world/work", "world/root"} {
		if err := os.MkdirAll(filepath.Join(h.Folder, d), 0o755); err != nil {
			return err
		}
	}
	if err := h.save(); err != nil {
		return err
	}
	h.step("build the shop, the stand-in and the world outside")
	if err := build(ctx, h.Config.Source, filepath.Join(h.Folder, "bin")); err != nil {
		return err
	}
	h.step("lay out the disk: %s cron, %s firewall", h.Config.Cron, h.Config.Firewall)
	if err := h.furnish(ctx); err != nil {
		return err
	}
	h.step("start systemd and the world outside; plug in the cable between them")
	if err := h.start(ctx); err != nil {
		return err
	}
	if err := scenarios[h.Config.Scenario].play(ctx, h); err != nil {
		return err
	}
	h.step("in place")
	return h.save()
}

func (h *Host) step(format string, args ...any) {
	if h.Config.Step != nil {
		h.Config.Step(Step{time.Since(h.clock), fmt.Sprintf(format, args...)})
	}
}

// save writes the state through a rename: `demine-lab list` may read at any time.
func (h *Host) save() error {
	raw, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	at := filepath.Join(h.Folder, stateFile)
	if err := os.WriteFile(at+".new", raw, 0o600); err != nil {
		return err
	}
	return os.Rename(at+".new", at)
}

// Load finds a host by the dir and name it was made with.
func Load(dir, name string) (*Host, error) {
	raw, err := os.ReadFile(filepath.Join(Folder(dir, name), stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no host named %q: see `demine-lab list`, or make it with `demine-lab up SCENARIO --name %s`", name, name)
	}
	if err != nil {
		return nil, err
	}
	h := &Host{}
	if err := json.Unmarshal(raw, h); err != nil {
		return nil, fmt.Errorf("state of host %s: %w", name, err)
	}
	return h, nil
}

// List names the hosts below dir, running or not.
func List(dir string) ([]*Host, error) {
	states, err := filepath.Glob(filepath.Join(Folder(dir, "*"), stateFile))
	if err != nil {
		return nil, err
	}
	slices.Sort(states)
	var hosts []*Host
	for _, s := range states {
		h, err := Load(dir, strings.TrimPrefix(filepath.Base(filepath.Dir(s)), "demine-lab-"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // taken down while we looked
		}
		if err != nil {
			return hosts, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// Running says whether the host's first process lives.
func (h *Host) Running() bool { return h.Inside.alive() }

// console is the end of what the first processes said, for an error message.
func (h *Host) console() string {
	var b strings.Builder
	for _, name := range []string{"console", "world/console"} {
		raw, err := os.ReadFile(filepath.Join(h.Folder, name))
		if err != nil || len(raw) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s: …%s", name, raw[max(0, len(raw)-2000):])
	}
	return b.String()
}
