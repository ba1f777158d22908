package lab

import "fmt"

// systemdUnits of Debian that run here; /etc/systemd/system is the lab's own, so nothing else is enabled.
var systemdUnits = []string{"dbus.service", "ssh.service", "mariadb.service", "rsyslog.service", "systemd-logind.service"}

// maskedUnits make no sense in a namespace or would reach the machine below.
var maskedUnits = []string{
	"systemd-udevd.service", "systemd-udevd-kernel.socket", "systemd-udevd-control.socket", "systemd-udev-trigger.service",
	"systemd-sysctl.service", "systemd-modules-load.service", "systemd-timesyncd.service", "systemd-binfmt.service",
	"systemd-random-seed.service", "systemd-remount-fs.service", "systemd-pstore.service", "systemd-journald-audit.socket",
	"systemd-networkd.service", "systemd-resolved.service", "kmod-static-nodes.service", "dev-hugepages.mount",
	"sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount",
	"proc-sys-fs-binfmt_misc.automount", "proc-sys-fs-binfmt_misc.mount", "getty@tty1.service", "getty-static.service",
	"console-getty.service", "systemd-machine-id-commit.service", "systemd-repart.service", "systemd-firstboot.service",
	"networking.service", "ifupdown-pre.service", "systemd-initctl.socket", "systemd-initctl.service",
}

func units(t *tree, h *Host) {
	const etc = "/etc/systemd/system"
	wants := func(unit, from string) { t.link(etc+"/multi-user.target.wants/"+unit, from) }
	t.link(etc+"/default.target", "/lib/systemd/system/multi-user.target")
	for _, u := range systemdUnits {
		wants(u, "/lib/systemd/system/"+u)
	}
	t.link(etc+"/sshd.service", "/lib/systemd/system/ssh.service")
	t.link(etc+"/syslog.service", "/lib/systemd/system/rsyslog.service")
	for _, u := range maskedUnits {
		t.link(etc+"/"+u, "/dev/null")
	}
	firewall := setups(h.Config.Firewall)
	if firewall.unit == "nftables.service" {
		t.link(etc+"/sysinit.target.wants/nftables.service", "/lib/systemd/system/nftables.service")
	} else {
		wants(firewall.unit, etc+"/"+firewall.unit)
	}
	t.unit("shop.service", shopUnit, true)
	if h.Config.Cron == Debian {
		wants("cron.service", "/lib/systemd/system/cron.service")
	} else {
		t.unit("crond.service", fmt.Sprintf(crondUnit, crondFlags[h.Config.Cron]), true)
	}
	t.dir("/run", 0o755, 0, 0)
	t.write(file{path: "/etc/ssh/sshd_config.d/10-site.conf", text: sshdSite, mode: 0o600})
	t.write(file{path: "/etc/rsyslog.conf", text: rsyslogConf(h.Config.Cron)})
	t.write(file{path: "/etc/rc.local", text: rcLocal, mode: 0o755})
}

// unit puts one of the site's own.
func (t *tree) unit(name, text string, enabled bool) {
	const etc = "/etc/systemd/system/"
	t.write(file{path: etc + name, text: text})
	if enabled {
		t.link(etc+"multi-user.target.wants/"+name, etc+name)
	}
}

const shopUnit = `[Unit]
Description=Flash sale
After=mariadb.service redis-6380.service

[Service]
User=shop
EnvironmentFile=/etc/shop/shop.env
ExecStart=/opt/shop/sale serve -listen :8080
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`

const crondUnit = `[Unit]
Description=Command scheduler
After=syslog.target

[Service]
ExecStart=/usr/sbin/crond -f %s

[Install]
WantedBy=multi-user.target
`

// Where crond reads and where it logs.
var crondFlags = map[Cron]string{RHEL: "-c /var/spool/cron -L /var/log/cron", Busybox: "-S"}

const sshdSite = `# site policy: keys only
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxAuthTries 4
UseDNS no
LoginGraceTime 30
ClientAliveInterval 60
`

// rsyslogConf has no imklog: the kernel's log is the machine's. CentOS keeps the old time format, Debian 12 does not.
func rsyslogConf(c Cron) string {
	format := ""
	if c == RHEL {
		format = "$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat\n"
	}
	return `module(load="imuxsock")
$FileOwner root
$FileGroup adm
$FileCreateMode 0640
$DirCreateMode 0755
$Umask 0022
$WorkDirectory /var/spool/rsyslog
` + format + `auth,authpriv.*			/var/log/auth.log
*.*;auth,authpriv.none		-/var/log/syslog
cron.*				-/var/log/cron.log
`
}

const rcLocal = `#!/bin/sh
# site: warm the page cache of the shop before the sale
cat /opt/shop/sale > /dev/null 2>&1
exit 0
`
