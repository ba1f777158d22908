package respond

import (
	"context"
	"fmt"
	"time"

	"github.com/godbus/dbus/v5"
)

// unitProperty is one of those that StartTransientUnit takes
// (org.freedesktop.systemd1(5)).
type unitProperty struct {
	Name  string
	Value dbus.Variant
}

// unitCommand is one item of ExecStart in that call: a(sasb).
type unitCommand struct {
	Path   string
	Argv   []string
	Ignore bool
}

// StartTransient has systemd start a program as a service that lives in /run and
// is started again when it is killed, but not when it ends by itself, nor after
// a reboot. ErrUnavailable: there is no systemd. One of that name that runs
// stays.
func StartTransient(ctx context.Context, unit, description string, argv []string) error {
	c, err := openSystemd(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.manager("ResetFailedUnit", []any{unit}) // of one that failed: its name would be taken
	usual := []unitProperty{
		{"Description", dbus.MakeVariant(description)},
		{"ExecStart", dbus.MakeVariant([]unitCommand{{argv[0], argv, false}})},
		{"Restart", dbus.MakeVariant("on-failure")},
	}
	// Those that CentOS 7's systemd (219) does not take for a transient unit.
	newer := append(usual,
		unitProperty{"RestartUSec", dbus.MakeVariant(uint64(time.Second / time.Microsecond))},
		unitProperty{"StartLimitIntervalUSec", dbus.MakeVariant(uint64(0))})
	for _, properties := range [][]unitProperty{newer, usual} {
		var job dbus.ObjectPath
		var aux []struct {
			Name       string
			Properties []unitProperty
		}
		err = c.manager("StartTransientUnit", []any{unit, "fail", properties, aux}, &job)
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("start %s: %w", unit, err)
}
