package lab

import "context"

// hostEntries need no server: what was installed, what the cloud gave, and what nobody saw.
var hostEntries = []Entry{
	{Name: "package-hook", What: "a package that the operator installs brings a cron table, which fetches what runs", Cause: "package-hook",
		Cites: []string{"installed", "owned"}, Cron: Debian,
		Logs: []string{"/var/log/dpkg.log", "/var/log/apt/history.log"}, play: installPackage},
	{Name: "cloud-init", What: "user-data of the instance, which cloud-final.service runs", Cause: "cloud-init",
		Cites: []string{"inside"}, play: userData},
	{Name: "unknown", What: "the stand-in runs; no server is open, nothing else was left", Cause: "unknown",
		Logs: loginLogs, play: fromNowhere},
}

// installPackage builds the package on the host, and the operator installs it as one does what a colleague sent.
func installPackage(ctx context.Context, h *Host) error {
	for at, text := range map[string]string{
		"/srv/pkg/DEBIAN/control": "Package: perfmon\nVersion: 1.4\nArchitecture: all\nMaintainer: Lab <lab@example.com>\n" +
			"Description: performance monitor\n",
		"/srv/pkg/etc/cron.d/perfmon": "* * * * * root " + payload + "\n",
	} {
		if err := h.lay(ctx, at, text); err != nil {
			return err
		}
	}
	if _, err := h.sh(ctx, "dpkg-deb -b /srv/pkg /root/perfmon_1.4_all.deb >/dev/null; rm -r /srv/pkg"); err != nil {
		return err
	}
	return h.enter(ctx, OperatorV4, "owner", "apt-get install -y -qq /root/perfmon_1.4_all.deb >/dev/null")
}

// finalUnit is cloud-final.service of Debian's cloud-init, but for the program: a shell runs the same scripts.
const finalUnit = `[Unit]
Description=Execute cloud user/final scripts

[Service]
Type=oneshot
ExecStart=/bin/sh -c "run-parts /var/lib/cloud/instance/scripts >>/var/log/cloud-init-output.log 2>&1"
RemainAfterExit=yes
TimeoutSec=0
KillMode=process
TasksMax=infinity
`

func userData(ctx context.Context, h *Host) error {
	for at, text := range map[string]string{
		"/var/lib/cloud/instance/user-data.txt":    "#!/bin/sh\n" + payload + "\n",
		"/var/lib/cloud/instance/scripts/part-001": "#!/bin/sh\n" + payload + "\n",
		"/etc/systemd/system/cloud-final.service":  finalUnit,
	} {
		if err := h.lay(ctx, at, text); err != nil {
			return err
		}
	}
	_, err := h.sh(ctx, "chmod 700 /var/lib/cloud/instance/scripts/part-001; systemctl daemon-reload; systemctl start cloud-final")
	return err
}

// fromNowhere closes the only door that is open, and starts the stand-in from no service and no session.
func fromNowhere(ctx context.Context, h *Host) error {
	_, err := h.sh(ctx, "systemctl stop shop redis-6380; "+payload)
	return err
}
