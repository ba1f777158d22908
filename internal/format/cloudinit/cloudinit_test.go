package cloudinit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeys(t *testing.T) {
	got := InstanceData([]byte(`{"ds": {"meta_data": {}}, "v1": {"cloud_name": "aliyun", "public_ssh_keys": ["ssh-ed25519 AAAA ops", "ssh-rsa BBBB"]}}`))
	if d := cmp.Diff([]string{"ssh-ed25519 AAAA ops", "ssh-rsa BBBB"}, got); d != "" {
		t.Error(d)
	}
	got = UserData([]byte("#cloud-config\nusers:\n  - name: ops\n    ssh_authorized_keys:\n      - ssh-ed25519 AAAA ops\n      - \"ecdsa-sha2-nistp256 CC x\"\n" +
		"runcmd:\n  - echo ssh-rsa BBBB >> /root/.ssh/authorized_keys\n"))
	if d := cmp.Diff([]string{"ssh-ed25519 AAAA ops", "ecdsa-sha2-nistp256 CC x"}, got); d != "" {
		t.Error(d)
	}
	for _, odd := range []string{"", "[]", `{"v1": []}`, `{"v1": {"public_ssh_keys": "ssh-rsa"}}`, "{"} {
		if got := InstanceData([]byte(odd)); len(got) > 0 {
			t.Errorf("%s: %q", odd, got)
		}
	}
	if n := len(UserData([]byte(strings.Repeat("ssh-rsa A\n", 5000)))); n != maxKeys {
		t.Errorf("%d keys", n)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"v1": {"public_ssh_keys": ["ssh-rsa A"]}}`))
	f.Add([]byte("- ssh-rsa A\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(InstanceData(b)) > maxKeys || len(UserData(b)) > maxKeys {
			t.Error("too many")
		}
	})
}
