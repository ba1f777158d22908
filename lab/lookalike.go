package lab

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// lookAlike is something innocent that must never be called an attack, and its twin: as alike as can be, and an
// attack that must be found.
type lookAlike struct {
	name   string
	number int // in docs/look-alikes.md
	plant  planting
	twin   planting // may be zero: not everything has one that a lab can hold
}

// planting is what one of the two puts on a host.
type planting struct {
	cron  []string // lines of root's crontab
	files []file
	runs  []program
	sh    string   // a script, when the rest is in place
	also  []string // files that the script writes
	units []string // units that the script starts
}

func (p planting) zero() bool {
	return p.cron == nil && p.files == nil && p.runs == nil && p.sh == ""
}

// program is a process to start, as a transient systemd unit.
type program struct {
	unit string   // default: the last element of the first word
	lab  string   // the lab's own program to copy to where the first word says, or empty: it is there
	argv []string // the command line; a first word that differs from as is what the process calls itself
	as   string   // what the process calls itself, if not by its path
	user string
	nice int
	env  []string
}

// agent is a harmless program under a usual name.
func agent(at string, args ...string) program {
	return program{lab: "idle", argv: append([]string{at}, args...)}
}

// miner is the stand-in under some name, working little: many of them share a machine.
func miner(at string) program {
	return program{lab: "standin", argv: []string{at, "-threads", "1", "-percent", "3"}}
}

func (p program) name() string {
	if p.unit != "" {
		return p.unit
	}
	return strings.TrimLeft(path.Base(p.argv[0]), ".")
}

// Planted is one look-alike or twin on a host.
type Planted struct {
	Name   string
	Number int  // in docs/look-alikes.md
	Twin   bool // an attack
	Cron   []string
	Files  []string
	PIDs   []int
}

// plantAll plants one side of the whole table.
func (h *Host) plantAll(ctx context.Context, twin bool) error {
	var crontab []string
	for _, l := range lookAlikes() {
		p := l.plant
		if twin {
			p = l.twin
		}
		if p.zero() {
			continue
		}
		planted, err := h.plant(ctx, p)
		if err != nil {
			return fmt.Errorf("plant %s: %w", l.name, err)
		}
		planted.Name, planted.Number, planted.Twin = l.name, l.number, twin
		h.Facts.Planted = append(h.Facts.Planted, planted)
		crontab = append(crontab, p.cron...)
	}
	if err := h.crontab(ctx, crontab); err != nil {
		return err
	}
	h.step("planted %d of them", len(h.Facts.Planted))
	return nil
}

func (h *Host) plant(ctx context.Context, p planting) (Planted, error) {
	done := Planted{Cron: p.cron}
	for _, f := range p.files {
		if f.mode == 0 {
			f.mode = 0o644
		}
		if err := h.put(ctx, strings.NewReader(f.text), f.path, f.mode); err != nil {
			return done, err
		}
		if _, err := h.sh(ctx, fmt.Sprintf("chown %d:%d '%s' && chmod %o '%s'", f.uid, f.gid, f.path, uint32(f.mode.Perm())|special(f.mode), f.path)); err != nil {
			return done, err
		}
		done.Files = append(done.Files, f.path)
	}
	for _, r := range p.runs {
		pid, err := h.launch(ctx, r)
		if err != nil {
			return done, err
		}
		done.PIDs = append(done.PIDs, pid)
	}
	if p.sh != "" {
		if _, err := h.sh(ctx, p.sh); err != nil {
			return done, err
		}
	}
	done.Files = append(done.Files, p.also...)
	for _, u := range p.units {
		out, err := h.sh(ctx, "systemctl show -P MainPID "+u)
		if err != nil {
			return done, err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil || pid == 0 {
			return done, fmt.Errorf("unit %s runs as %q", u, out)
		}
		done.PIDs = append(done.PIDs, pid)
	}
	return done, nil
}

// launch starts a program and waits until it is what it is meant to be.
func (h *Host) launch(ctx context.Context, p program) (int, error) {
	at := p.argv[0]
	if p.lab != "" {
		if err := h.CopyIn(ctx, filepath.Join(h.Folder, "bin", p.lab), at); err != nil {
			return 0, err
		}
	}
	argv := []string{"systemd-run", "--quiet", "--unit", p.name(), "-p", "Nice=" + strconv.Itoa(p.nice)}
	if p.user != "" {
		argv = append(argv, "-p", "User="+p.user)
	}
	for _, e := range p.env {
		argv = append(argv, "-E", e)
	}
	argv = append(argv, "--")
	if p.as != "" {
		argv = append(argv, "/bin/bash", "-c", `exec -a "$0" "$@"`, p.as)
	}
	if _, err := h.must(ctx, h.Inside, "", append(argv, p.argv...)...); err != nil {
		return 0, err
	}
	pid := 0
	err := until(ctx, 10*time.Second, p.name()+" to run", func() error {
		out, err := h.sh(ctx, "systemctl show -P MainPID "+p.name()+"; readlink /proc/$(systemctl show -P MainPID "+p.name()+")/exe")
		if err != nil {
			return err
		}
		words := strings.Fields(out)
		if len(words) < 2 || (p.as != "" && strings.HasSuffix(words[1], "/bash")) {
			return fmt.Errorf("it is %q", out)
		}
		pid, err = strconv.Atoi(words[0])
		return err
	})
	return pid, err
}

// crontab gives root these lines, in the layout's place.
func (h *Host) crontab(ctx context.Context, lines []string) error {
	at := path.Join(h.Config.Cron.Spool(), "root")
	if err := h.put(ctx, strings.NewReader(strings.Join(lines, "\n")+"\n"), at, 0o600); err != nil {
		return fmt.Errorf("write root's crontab: %w", err)
	}
	return nil
}

func lookAlikes() []lookAlike {
	return append(append(append(agents, jobs...), temporary...), access...)
}
