package lab

import "path"

// Spool is where a host keeps users' tables.
func (c Cron) Spool() string {
	if c == RHEL {
		return "/var/spool/cron"
	}
	return "/var/spool/cron/crontabs"
}

// unit is the daemon's, and log where it writes.
func (c Cron) unit() (unit, log string) {
	switch c {
	case RHEL:
		return "crond.service", "/var/log/cron"
	case Busybox:
		return "crond.service", "/var/log/cron.log"
	}
	return "cron.service", "/var/log/cron.log"
}

const (
	deployLine = "17 2 * * * deploy /opt/shop/deploy.sh >> /home/deploy/deploy.log 2>&1\n"
	linLines   = "MAILTO=\"\"\n# how full is the disk?\n*/10 * * * * /home/lin/bin/disk.sh >> /home/lin/disk.log 2>&1\n30 6 * * 1 /home/lin/bin/disk.sh > /home/lin/monday.txt\n"
)

// schedules lays out the honest jobs: one of the deployment, two of a normal user.
func schedules(t *tree, c Cron) {
	t.write(file{path: "/etc/cron.d/deploy", text: deployLine})
	mode, gid := 0o700, 0
	if c == Debian {
		mode, gid = 0o1730, crontabGID
	}
	t.dir(c.Spool(), fileMode(mode), 0, gid)
	t.write(file{path: path.Join(c.Spool(), "lin"), text: linLines, mode: 0o600, uid: linUID, gid: gid})
	if c != Debian {
		t.link("/usr/sbin/crond", "/bin/busybox")
	}
}
