package respond

import (
	"path"
	"strings"

	"demine/internal/fact"
	"demine/internal/relate"
)

// keeper: it keeps the host or other processes going. A name counts only where
// software is installed: anybody can call a file in /tmp sshd.
func keeper(exe fact.Path) bool { return !relate.Uninstalled(exe) && keepers[path.Base(string(exe))] }

// server: it is software that a business runs. A miner inside of it is the
// owner's to decide about.
func server(exe fact.Path) bool {
	base := path.Base(string(exe))
	return !relate.Uninstalled(exe) && (servers[base] || strings.HasPrefix(base, "php-fpm"))
}

var keepers = nameSet("init systemd systemd-journald systemd-logind systemd-udevd systemd-networkd systemd-resolved systemd-timesyncd " +
	"systemd-nspawn systemd-machined dbus-daemon dbus-broker dbus-broker-launch sshd sshd-session sshd-auth dropbear login agetty sudo " +
	"tmux screen NetworkManager dhclient dhcpcd " +
	"dockerd docker-containerd docker-containerd-shim docker-init containerd containerd-shim containerd-shim-runc-v1 containerd-shim-runc-v2 " +
	"runc crun conmon crio podman kubelet kube-proxy lxc-start lxc-monitord lxcfs tini dumb-init s6-svscan runsvdir")

var servers = nameSet("java mysqld mariadbd postgres redis-server redis-sentinel valkey-server mongod mongos nginx httpd apache2 haproxy memcached " +
	"node beam.smp rabbitmq-server clickhouse-server etcd consul kube-apiserver envoy caddy influxd prometheus oracle named dnsmasq")

func nameSet(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
