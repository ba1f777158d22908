package respond

import "context"

// Units asks systemd over its private socket, without a program of the host.
// Every method is ErrUnavailable where systemd is not pid 1.
type Units interface {
	// Restart restarts a service and waits until it is active again or failed.
	Restart(ctx context.Context, unit string) error
	Reload(ctx context.Context, unit string) error
	Stop(ctx context.Context, unit string) error
	Start(ctx context.Context, unit string) error
	// DaemonReload reads unit files anew. See Pending first.
	DaemonReload(ctx context.Context) error
	// Pending names the units whose files changed since systemd read them: a
	// daemon-reload would activate these edits too.
	Pending(ctx context.Context) ([]string, error)
	// Enable and Disable change the links of a unit's [Install] section, and give
	// the links that were made or removed.
	Enable(ctx context.Context, unit string) ([]string, error)
	Disable(ctx context.Context, unit string) ([]string, error)
	// Show gives a property of a unit as text: ActiveState, MainPID, FragmentPath …
	// A list is one item a line; ExecStart and its like are the argv of each
	// command as a JSON array.
	Show(ctx context.Context, unit, property string) (string, error)
}
