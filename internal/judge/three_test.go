package judge

import (
	"testing"

	"demine/internal/fact"
	"demine/internal/relate"
)

// What was not seen makes a condition unknown only where it could change the
// answer.
func TestTruthOverTheUnseen(t *testing.T) {
	p := &fact.Process{Ref: "process:x/1@1", Exe: "/tmp/x", ExeFile: "file:/tmp/x", CPULife: 50}
	for _, c := range []struct {
		when    string
		covered bool
		want    truth
	}{
		{`packaged(image(it))`, true, no},
		{`packaged(image(it))`, false, unknown},
		{`!packaged(image(it))`, false, unknown},
		{`packaged(image(it)) || it.cpu_life > 10`, false, yes},
		{`packaged(image(it)) && it.cpu_life > 90`, false, no},
		{`packaged(image(it)) || !packaged(image(it))`, false, yes},
		{`packaged(image(it)) && !packaged(image(it))`, false, no},
		{`packaged(image(it)) && !packaged(file("/other"))`, false, unknown},
		{`any(sockets(it), .port == 22)`, false, unknown},
		{`any(sockets(it), .port == 22)`, true, no},
		{`uninstalled(it.exe)`, false, yes},
	} {
		s := &fact.Snapshot{Process: []fact.Process{*p}, File: []fact.File{{Ref: "file:/tmp/x", Path: "/tmp/x"}}}
		if c.covered {
			s.Coverage = []fact.Coverage{{Observer: "package", State: fact.Seen}, {Observer: "socket", State: fact.Seen}}
		}
		e, err := Compile(c.when, p, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := Ask(relate.New(s), nil).truth(e, p)
		if err != nil || got != c.want {
			t.Errorf("%s, covered %v: %v (%v), want %v", c.when, c.covered, got, err, c.want)
		}
	}
}

// JSON names are the names of fields in rules; paths compare with strings.
func TestNamesAndPaths(t *testing.T) {
	a := &fact.Autostart{Kind: "cron", Origin: fact.Origin{Path: "/etc/crontab", Line: 3}, Shell: fact.Shell{Runs: []fact.Path{"/tmp/x"}}}
	for text, want := range map[string]bool{
		`it.origin.path == "/etc/crontab"`:              true,
		`it.origin.path startsWith "/etc"`:              true,
		`it.origin.path matches "^/etc/cron"`:           true,
		`any(it.shell.runs, # == "/tmp/x")`:             true,
		`any(it.shell.runs, uninstalled(#))`:            true,
		`it.shell.fetch_exec`:                           false,
		`it.rdb != nil`:                                 false,
		`it.kind in ["cron", "timer"] && !it.active`:    true,
		`base(it.origin.path) == "crontab"`:             true,
		`all(it.shell.paths, # startsWith "/") == true`: true,
	} {
		e, err := Compile(text, a, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		v, err := Ask(relate.New(&fact.Snapshot{}), nil).Value(e, a)
		if err != nil || v != want {
			t.Errorf("%s = %v (%v), want %v", text, v, err, want)
		}
	}
}

// A name that no fact has is an error when rules are loaded, not at 3 am.
func TestMisspeltNameIsRefused(t *testing.T) {
	if _, err := Compile(`it.exee == "x"`, &fact.Process{}, nil); err == nil {
		t.Error("compiled")
	}
	if _, err := ParseRule("a/b", []byte("title: x\nwhy: x\nblind: x\nfor: process\nwhen: 'true'\nclass: attack\ncertainty: likely\nseverity: 1\nsevreity: 2\n")); err == nil {
		t.Error("an unknown key was taken")
	}
}
