package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tools are the programs of this machine that a host runs or is made with, and the Debian package each comes in.
var tools = map[string]string{
	"/lib/systemd/systemd": "systemd", "/usr/bin/redis-server": "redis-server", "/usr/sbin/mariadbd": "mariadb-server",
	"/usr/sbin/sshd": "openssh-server", "/usr/bin/ssh": "openssh-client", "/usr/sbin/cron": "cron", "/bin/busybox": "busybox-static",
	"/usr/sbin/iptables-legacy": "iptables", "/usr/sbin/nft": "nftables", "/usr/sbin/rsyslogd": "rsyslog",
	"/usr/bin/curl": "curl", "/usr/bin/nsenter": "util-linux", "/usr/bin/setpriv": "util-linux", "/usr/bin/pgrep": "procps",
	"/sbin/ip": "iproute2", "/usr/bin/dbus-daemon": "dbus",
}

func needTools() error {
	var missing []string
	for path, pkg := range tools {
		if _, err := os.Stat(path); err != nil {
			missing = append(missing, pkg)
		}
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("this machine lacks what a lab host runs: apt-get install --no-install-recommends %s"+
		" (put `exit 101` into /usr/sbin/policy-rc.d first, or they start here too)", strings.Join(missing, " "))
}

func findSource() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "lab", "boot", "main.go")); err == nil {
			return dir, nil
		}
		if dir == "/" {
			return "", errors.New("demine's source is not here or above: run this inside the checkout, or set Source (--source)")
		}
	}
}

// build compiles the lab's own programs into out.
func build(ctx context.Context, source, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out+"/", "./lab/boot", "./lab/world", "./lab/sale", "./lab/standin", "./lab/idle")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the lab's programs in %s: %w\n%s", source, err, text)
	}
	return nil
}
