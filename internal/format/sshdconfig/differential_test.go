package sshdconfig

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"demine/internal/fact"
)

// TestSshd compares what is predicted with what the real sshd says it would do.
func TestSshd(t *testing.T) {
	key := hostKey(t)
	for name, text := range map[string]string{
		"empty": "",
		"stock Debian": "Include DIR/d/*.conf\nKbdInteractiveAuthentication no\nUsePAM yes\nX11Forwarding yes\n" +
			"PrintMotd no\nAcceptEnv LANG LC_*\nSubsystem\tsftp\t/usr/lib/openssh/sftp-server\nPasswordAuthentication no\n",
		"syntax": "Port=2222\nport 33768\nPermitRootLogin \"without-password\" # c\nPasswordAuthentication YES\n" +
			"AllowUsers a b\nAllowUsers \"c d\" e\\ f g#h\nLoginGraceTime 1m30s\nForceCommand /bin/a \"b\" # c\n" +
			"AuthorizedKeysFile .ssh/authorized_keys /etc/keys/%u\nAuthorizedKeysFile none\n" +
			"AuthenticationMethods publickey,password keyboard-interactive\nClientAliveInterval 2h\n",
		"match": "PermitRootLogin no\nMatch all\nPermitEmptyPasswords yes\nMatch User nobody-like-this\nPermitRootLogin yes\n" +
			"Include DIR/d/*.conf\nMatch all\nInclude DIR/d/*.conf\nAllowGroups wheel\n",
	} {
		t.Run(name, func(t *testing.T) { compare(t, key, text) })
	}
}

func compare(t *testing.T, key, text string) {
	dir := t.TempDir()
	text = strings.ReplaceAll(text, "DIR", dir)
	write(t, filepath.Join(dir, "d/50-cloud-init.conf"), "PasswordAuthentication yes\n")
	write(t, filepath.Join(dir, "d/60-site.conf"), "PasswordAuthentication no\nMatch User x\nGatewayPorts yes\n")
	conf := filepath.Join(dir, "conf")
	write(t, conf, text)
	out, err := exec.Command("/usr/sbin/sshd", "-T", "-f", conf, "-h", key).CombinedOutput()
	if err != nil {
		t.Fatalf("sshd -T: %v\n%s", err, out)
	}
	want := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		want[k] = append(want[k], v)
	}
	got, _ := Effective(Source{fact.Path(conf), Parse([]byte(text))}, func(p string) (out []Source) {
		names, _ := filepath.Glob(p)
		for _, n := range names {
			b, _ := os.ReadFile(n)
			out = append(out, Source{fact.Path(n), Parse(b)})
		}
		return out
	})
	for _, s := range got {
		w := strings.Join(want[s.Name], " ")
		if s.Name == "permitrootlogin" && w == "without-password" {
			w = "prohibit-password"
		}
		if s.Name == "listenaddress" || s.Name == "pidfile" || s.Name == "hostkey" {
			continue // sshd adds addresses and ports of its own; builds differ
		}
		if s.Value != w {
			t.Errorf("%s: predicted %q, sshd says %q", s.Name, s.Value, w)
		}
	}
}

func hostKey(t *testing.T) string {
	t.Helper()
	// sshd looks for its privilege separation folder even to print settings.
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatalf("sshd needs /run/sshd (run make test as root, or make it): %v", err)
	}
	key := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen (package openssh-server must be installed): %v %s", err, out)
	}
	return key
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
