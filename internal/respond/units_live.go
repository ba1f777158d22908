package respond

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// Names of systemd's manager on D-Bus: org.freedesktop.systemd1(5).
const (
	systemdName    = "org.freedesktop.systemd1"
	systemdPath    = dbus.ObjectPath("/org/freedesktop/systemd1")
	systemdManager = systemdName + ".Manager"
	systemdUnit    = systemdName + ".Unit"
)

// How long systemd may take: for an answer, and for a service to come up or
// go (systemd's own default for one is 90 s).
const (
	systemdPatience = 25 * time.Second
	systemdJob      = 3 * time.Minute
)

// liveUnits asks the systemd of this host. Every call has a connection of its
// own: systemd may have been reloaded between two.
type liveUnits struct{}

// LiveUnits are the units of the machine that demine runs on.
func LiveUnits() Units { return liveUnits{} }

// systemdAsk calls a method of the manager and stores what it answers.
func systemdAsk(ctx context.Context, method string, args []any, out ...any) error {
	c, err := openSystemd(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.manager(method, args, out...); err != nil {
		return fmt.Errorf("systemd: %s: %w", method, err)
	}
	return nil
}

func (c *busConn) manager(method string, args []any, out ...any) error {
	return c.call(systemdName, systemdPath, systemdManager+"."+method, args, out...)
}

func (c *busConn) load(unit string) (at dbus.ObjectPath, err error) {
	err = c.manager("LoadUnit", []any{unit}, &at)
	return at, err
}

func (c *busConn) property(at dbus.ObjectPath, of, name string) (v dbus.Variant, err error) {
	err = c.call(systemdName, at, "org.freedesktop.DBus.Properties.Get", []any{of, name}, &v)
	return v, err
}

func (liveUnits) Restart(ctx context.Context, unit string) error {
	return unitJob(ctx, "RestartUnit", unit, "active")
}

func (liveUnits) Reload(ctx context.Context, unit string) error {
	return unitJob(ctx, "ReloadUnit", unit, "active")
}

func (liveUnits) Stop(ctx context.Context, unit string) error {
	return unitJob(ctx, "StopUnit", unit, "inactive", "failed")
}

func (liveUnits) Start(ctx context.Context, unit string) error {
	return unitJob(ctx, "StartUnit", unit, "active")
}

// unitJob starts a job for a unit and waits for its end. It asks again and again
// instead of taking signals: the private socket gives those of its own
// connection only, and a lost one would wait for ever.
func unitJob(ctx context.Context, method, unit string, want ...string) error {
	ctx, cancel := context.WithTimeout(ctx, systemdJob)
	defer cancel()
	var path dbus.ObjectPath
	if err := systemdAsk(ctx, method, []any{unit, "replace"}, &path); err != nil {
		return fmt.Errorf("%s: %w", unit, err)
	}
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		state, busy, err := unitState(ctx, unit)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", unit, err)
		case busy:
		case slices.Contains(want, state):
			return nil
		case state != "activating" && state != "deactivating" && state != "reloading":
			return fmt.Errorf("%s: it is %s after %s", unit, state, method)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("%s: %s did not end: %w", unit, method, ctx.Err())
		case <-t.C:
		}
	}
}

// unitState is ActiveState, and whether a job for the unit is under way.
func unitState(ctx context.Context, unit string) (state string, busy bool, err error) {
	c, err := openSystemd(ctx)
	if err != nil {
		return "", false, err
	}
	defer c.Close()
	at, err := c.load(unit)
	if err != nil {
		return "", false, err
	}
	j, err := c.property(at, systemdUnit, "Job")
	if err != nil {
		return "", false, err
	}
	s, err := c.property(at, systemdUnit, "ActiveState")
	if err != nil {
		return "", false, err
	}
	state, _ = s.Value().(string)
	id, _ := j.Value().([]any)
	if len(id) > 0 {
		n, _ := id[0].(uint32)
		busy = n != 0
	}
	return state, busy, nil
}

// DaemonReload is answered only when systemd has read everything.
func (liveUnits) DaemonReload(ctx context.Context) error { return systemdAsk(ctx, "Reload", nil) }

func (liveUnits) Pending(ctx context.Context) ([]string, error) {
	c, err := openSystemd(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var all []struct {
		Name, Description, Load, Active, Sub, Following string
		Path                                            dbus.ObjectPath
		Job                                             uint32
		JobType                                         string
		JobPath                                         dbus.ObjectPath
	}
	if err := c.manager("ListUnits", nil, &all); err != nil {
		return nil, fmt.Errorf("systemd: ListUnits: %w", err)
	}
	var out []string
	for _, u := range all {
		v, err := c.property(u.Path, systemdUnit, "NeedDaemonReload")
		if err != nil {
			continue // it was unloaded meanwhile
		}
		if need, _ := v.Value().(bool); need {
			out = append(out, u.Name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// unitLink is a change of a link as EnableUnitFiles gives it.
type unitLink struct{ Kind, Path, Target string }

func (liveUnits) Enable(ctx context.Context, unit string) ([]string, error) {
	var installs bool
	var links []unitLink
	err := systemdAsk(ctx, "EnableUnitFiles", []any{[]string{unit}, false, false}, &installs, &links)
	return linkPaths(links), err
}

func (liveUnits) Disable(ctx context.Context, unit string) ([]string, error) {
	var links []unitLink
	err := systemdAsk(ctx, "DisableUnitFiles", []any{[]string{unit}, false}, &links)
	return linkPaths(links), err
}

func linkPaths(links []unitLink) []string {
	var out []string
	for _, l := range links {
		out = append(out, l.Path)
	}
	return out
}

// Show finds the property in the interface of all units, then in that of the
// unit's kind ("foo.service": …systemd1.Service).
func (liveUnits) Show(ctx context.Context, unit, name string) (string, error) {
	c, err := openSystemd(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	at, err := c.load(unit)
	if err != nil {
		return "", fmt.Errorf("%s: %w", unit, err)
	}
	v, err := c.property(at, systemdUnit, name)
	if err != nil {
		kind := unit[strings.LastIndexByte(unit, '.')+1:]
		if kind == "" {
			return "", fmt.Errorf("%s: no kind of unit", unit)
		}
		v, err = c.property(at, systemdName+"."+strings.ToUpper(kind[:1])+kind[1:], name)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", unit, name, err)
	}
	return shownProperty(v.Value()), nil
}

// shownProperty: words and numbers as they are, lists one a line, a command
// line (sasbttttuii, of which the second is the argv) as a JSON array a line.
func shownProperty(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, "\n")
	case [][]any:
		var lines []string
		for _, x := range v {
			if len(x) > 1 {
				if argv, ok := x[1].([]string); ok {
					b, _ := json.Marshal(argv) // strings only
					lines = append(lines, string(b))
				}
			}
		}
		return strings.Join(lines, "\n")
	}
	return fmt.Sprint(v)
}
