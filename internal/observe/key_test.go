package observe

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

func keyLines(s *fact.Snapshot) []string {
	var out []string
	for _, k := range s.Key {
		out = append(out, fmt.Sprintf("%s %s:%d %s %v dump %v", k.Account, k.Origin.Path, k.Origin.Line, k.Comment, k.Options, k.RDB != nil))
	}
	return out
}

func TestKeys(t *testing.T) {
	s, c := lookAt(t, "key-centos7", fact.Snapshot{}, key)
	want := []string{
		"root /root/.ssh/authorized_keys:5 owner@office [] dump true",
		"root /root/.ssh/authorized_keys:6 mdrfckr [] dump true",
		`deploy /home/deploy/.ssh/authorized_keys2:2 ci [command="/usr/bin/backup" no-pty] dump false`,
	}
	if d := cmp.Diff(want, keyLines(s)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"not-regular /.ssh/authorized_keys"}, gaps(c)); d != "" {
		t.Error(d)
	}
	if m := s.Key[1].RDB; m == nil || m.Key != "crackit" || m.Redis != "5.0.14" {
		t.Errorf("%+v", m)
	}
}

func TestKeysWhereSSHDLooks(t *testing.T) {
	base := fact.Snapshot{Service: []fact.Service{{Ref: "service:sshd:x", Name: "sshd", Settings: []fact.Setting{
		{Name: "authorizedkeysfile", Value: "none"}, {Name: "match User deploy authorizedkeysfile", Value: "/etc/keys/%u"},
	}}}}
	s, _ := lookAt(t, "key-centos7", base, key)
	if d := cmp.Diff([]string{"deploy /etc/keys/deploy:1 owner@office [] dump false"}, keyLines(s)); d != "" {
		t.Error(d)
	}
}

// What the cloud gave the host is told of each key, by its fingerprint: not by
// its comment, which anybody can write.
func TestKeysOfTheCloud(t *testing.T) {
	const ops = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
	const other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC"
	const user = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD"
	h, err := fixture.Parse([]byte("-- /root/.ssh/authorized_keys --\n" + ops + " renamed\n" + other + " cloud@aliyun\n" + user + "\n" +
		"-- /run/cloud-init/instance-data.json --\n{\"v1\": {\"public_ssh_keys\": [\"" + ops + " cloud@aliyun\"]}}\n" +
		"-- /var/lib/cloud/instance/user-data.txt mode=0600 --\n#cloud-config\nssh_authorized_keys:\n  - " + user + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, c := lookAtHost(t, h, fact.Snapshot{Account: []fact.Account{{Name: "root", Home: "/root"}}}, key)
	var got []string
	for _, k := range s.Key {
		got = append(got, k.Comment+":"+k.Provisioned)
	}
	if d := cmp.Diff([]string{"renamed:cloud-init", "cloud@aliyun:", ":cloud-init"}, got); d != "" || c.State != fact.Seen {
		t.Error(c, d)
	}
}

func TestKeyUses(t *testing.T) {
	s, _ := lookAt(t, "key-centos7", fact.Snapshot{}, key)
	fp := s.Key[0].Fingerprint
	var base fact.Snapshot
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range 7 {
		base.Log = append(base.Log, fact.LogEvent{Kind: "ssh-accepted", Key: fp, From: fmt.Sprint("10.0.0.", i), Time: at.AddDate(0, 0, i)})
	}
	s, _ = lookAt(t, "key-centos7", base, key)
	k := s.Key[0]
	if k.UsesSeen != 7 || len(k.Used) != 5 || k.Used[0].From != "10.0.0.6" || !k.FirstUsed.Equal(at) || s.Key[1].UsesSeen != 0 {
		t.Errorf("%+v", k)
	}
}
