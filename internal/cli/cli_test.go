package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"demine/internal/agent"
	"demine/internal/explain"
	"demine/internal/fact"
)

func stored(t *testing.T, name string) *explain.Scan {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "report", "testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var s explain.Scan
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// stage is a world whose terminal and host are made up.
type stage struct {
	out, err bytes.Buffer
	env      map[string]string
	tty      []any // writers that are terminals
	look     looker
}

func (st *stage) run(ctx context.Context, args ...string) int {
	return run(ctx, args, world{
		in: strings.NewReader(""), out: &st.out, err: &st.err, look: st.look, host: "seckill-01", asRoot: true,
		env:      func(k string) string { return st.env[k] },
		now:      func() time.Time { return time.Unix(1795260000, 0) },
		terminal: func(w any) bool { return slices.Contains(st.tty, w) },
		width:    func(any) int { return 0 },
	})
}

func english() map[string]string {
	return map[string]string{"LANG": "en_US.UTF-8", "TERM": "xterm"}
}

// sees is a look that tells its waves and a finding on the way.
func sees(s *explain.Scan, err error) looker {
	return func(_ context.Context, _ *slog.Logger, _ agent.Want, ev func(agent.Event)) (*explain.Scan, error) {
		ev(agent.Event{Kind: "started", Total: 4})
		ev(agent.Event{Kind: "wave", Wave: "processes", Done: 1, Total: 4})
		ev(agent.Event{Kind: "finding", Wave: "images", Done: 2, Total: 4, Scan: s})
		ev(agent.Event{Kind: "wave", Wave: "images", Done: 2, Total: 4})
		ev(agent.Event{Kind: "done", Done: 4, Total: 4, Scan: s})
		return s, err
	}
}

// On a terminal the first line stands before the look begins, and the finding
// before it ends; nothing of it is on stdout.
func TestTalk(t *testing.T) {
	st := &stage{env: english()}
	st.tty = []any{&st.err}
	before := ""
	inner := sees(stored(t, "mining"), nil)
	st.look = func(ctx context.Context, l *slog.Logger, w agent.Want, ev func(agent.Event)) (*explain.Scan, error) {
		before = st.err.String()
		return inner(ctx, l, w, ev)
	}
	if code := st.run(t.Context()); code != exitFound {
		t.Errorf("exit %d", code)
	}
	if want := "demine 0.1.0-dev on seckill-01 (root): looking; nothing will be changed ...\n"; before != want {
		t.Errorf("before the look: got %q, want %q", before, want)
	}
	talk := st.err.String()
	if !strings.Contains(talk, "Found after") || !strings.Contains(talk, "MINING CONFIRMED") {
		t.Errorf("no early finding: %s", talk)
	}
	if !strings.HasSuffix(talk, "\r\x1b[K") {
		t.Errorf("progress is left on the screen: %q", talk[max(0, len(talk)-80):])
	}
	if strings.Contains(st.out.String(), "\x1b") {
		t.Errorf("colours on stdout, which is no terminal")
	}
}

// What is said on a terminal fits it, and what is to be copied stays on one line; in
// a file no line is broken.
func TestTalkFits(t *testing.T) {
	args := []string{"lease", "close", "foo", "--lang"}
	for _, lang := range []string{"en", "zh"} {
		st := &stage{env: english()}
		st.run(t.Context(), append(args, lang)...)
		if n := strings.Count(st.err.String(), "\n"); n != 2 {
			t.Errorf("%d lines in a file: %s", n, st.err.String())
		}
		st = &stage{env: english()}
		st.tty = []any{&st.err}
		st.run(t.Context(), append(args, lang)...)
		lines := strings.Split(strings.TrimSuffix(st.err.String(), "\n"), "\n")
		for _, l := range lines {
			if utf8.RuneCountInString(l) > 80 {
				t.Errorf("wider than the terminal: %s", l)
			}
		}
		if len(lines) < 3 || !strings.HasSuffix(lines[len(lines)-1], "demine lease ls") {
			t.Errorf("on a terminal: %q", lines)
		}
		st.err.Reset()
		st.run(t.Context(), "lease", "open", "--lang", lang)
		lines = strings.Split(strings.TrimSuffix(st.err.String(), "\n"), "\n")
		if !strings.HasSuffix(lines[len(lines)-1], `demine lease open`+leaseExample) {
			t.Errorf("the command is broken: %q", lines)
		}
	}
}

// Without a terminal stderr is silent; a dumb one gets no moving line.
func TestQuietTalk(t *testing.T) {
	st := &stage{env: english(), look: sees(stored(t, "mining"), nil)}
	st.run(t.Context())
	if st.err.Len() > 0 {
		t.Errorf("stderr: %q", st.err.String())
	}
	st = &stage{env: map[string]string{"TERM": "dumb"}, look: st.look}
	st.tty = []any{&st.err, &st.out}
	st.run(t.Context())
	for _, s := range []string{st.err.String(), st.out.String()} {
		if strings.ContainsAny(s, "\x1b\r") {
			t.Errorf("escapes on a dumb terminal: %q", s)
		}
		for _, r := range s {
			if r > 0x7e {
				t.Errorf("U+%04X without a UTF-8 locale", r)
			}
		}
	}
}

func TestColour(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		env  map[string]string
		tty  bool
		want bool
	}{
		{"terminal", nil, nil, true, true},
		{"pipe", nil, nil, false, false},
		{"never", []string{"--color=never"}, nil, true, false},
		{"no-color", []string{"--no-color"}, nil, true, false},
		{"always", []string{"--color", "always"}, nil, false, true},
		{"NO_COLOR", nil, map[string]string{"NO_COLOR": "1"}, true, false},
		{"always over NO_COLOR", []string{"--color=always"}, map[string]string{"NO_COLOR": "1"}, true, true},
		{"dumb", nil, map[string]string{"TERM": "dumb"}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := &stage{env: english(), look: sees(stored(t, "mining"), nil)}
			for k, v := range tt.env {
				st.env[k] = v
			}
			if tt.tty {
				st.tty = []any{&st.out}
			}
			st.run(t.Context(), tt.args...)
			if got := strings.Contains(st.out.String(), "\x1b["); got != tt.want {
				t.Errorf("colour: got %t, want %t", got, tt.want)
			}
		})
	}
}

// What was found until an interruption is printed, as text and as JSON, and
// the status says so.
func TestInterrupted(t *testing.T) {
	for _, args := range [][]string{nil, {"--json"}, {"explain"}, {"exposure"}, {"doctor"}} {
		ctx, cancel := context.WithCancel(t.Context())
		st := &stage{env: english()}
		st.look = func(context.Context, *slog.Logger, agent.Want, func(agent.Event)) (*explain.Scan, error) {
			cancel()
			return stored(t, "mining"), context.Canceled
		}
		if code := st.run(ctx, args...); code != exitInterrupted {
			t.Errorf("%v: exit %d", args, code)
		}
		if !strings.Contains(st.err.String(), "Interrupted") || st.out.Len() == 0 {
			t.Errorf("%v: stderr %q, %d bytes on stdout", args, st.err.String(), st.out.Len())
		}
		if slices.Contains(args, "--json") {
			var s explain.Scan
			if err := json.Unmarshal(st.out.Bytes(), &s); err != nil || s.Exit != exitInterrupted {
				t.Errorf("JSON: exit %d, error %v", s.Exit, err)
			}
		}
	}
}

func TestInterruptedEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	st := &stage{env: english(), look: sees(nil, context.Canceled)}
	if code := st.run(ctx); code != exitInterrupted || st.out.Len() > 0 {
		t.Errorf("exit %d, stdout %q", code, st.out.String())
	}
}

func TestLookFails(t *testing.T) {
	st := &stage{env: english(), look: sees(nil, errors.New("no /proc\x1b"))}
	if code := st.run(t.Context()); code != exitFailed {
		t.Errorf("exit %d", code)
	}
	if diff := cmp.Diff("demine: no /proc\\x1b\n", st.err.String()); diff != "" {
		t.Error(diff)
	}
}

// The exit status is of the verdict, the same in text and JSON.
func TestExit(t *testing.T) {
	for _, tt := range []struct {
		verdict string
		exposed int
		args    []string
		want    int
	}{
		{explain.NothingFound, 2, nil, 0},
		{explain.Mining, 0, nil, 3},
		{explain.Compromised, 0, nil, 3},
		{explain.Suspicious, 0, nil, 3},
		{explain.Incomplete, 1, nil, 4},
		{explain.NothingFound, 1, []string{"--fail-on", "posture"}, 3},
		{explain.Incomplete, 1, []string{"--fail-on=posture"}, 3},
		{explain.NothingFound, 0, []string{"--fail-on=posture"}, 0},
		{"of another time", 0, nil, 1},
	} {
		for _, format := range []string{"", "--json"} {
			st := &stage{env: english()}
			st.look = sees(&explain.Scan{Schema: 1, Verdict: tt.verdict, Exposed: tt.exposed}, nil)
			args := append([]string{"scan"}, tt.args...)
			if format != "" {
				args = append(args, format)
			}
			if got := st.run(t.Context(), args...); got != tt.want {
				t.Errorf("%s %v: exit %d, want %d", tt.verdict, args, got, tt.want)
			}
			if format != "" && !strings.Contains(st.out.String(), `"exit": `+string(rune('0'+tt.want))) {
				t.Errorf("%s %v: JSON has another exit", tt.verdict, args)
			}
		}
	}
}

// exposure and doctor give no verdict: their status says whether they saw all.
func TestExitOfViews(t *testing.T) {
	part := func(observer string) *explain.Scan {
		return &explain.Scan{Verdict: explain.Mining, Coverage: []fact.Coverage{{Observer: observer, State: fact.Partial}}}
	}
	for _, tt := range []struct {
		cmd, observer string
		want          int
	}{{"exposure", "firewall", 4}, {"exposure", "history", 0}, {"doctor", "history", 4}} {
		for _, format := range [][]string{nil, {"--json"}} {
			st := &stage{env: english(), look: sees(part(tt.observer), nil)}
			if got := st.run(t.Context(), append([]string{tt.cmd}, format...)...); got != tt.want {
				t.Errorf("%s without %s: exit %d, want %d", tt.cmd, tt.observer, got, tt.want)
			}
		}
	}
}

// The facts are in the JSON when asked for, and only then.
func TestSnapshot(t *testing.T) {
	for _, asked := range []bool{true, false} {
		st := &stage{env: english()}
		st.look = func(_ context.Context, _ *slog.Logger, w agent.Want, _ func(agent.Event)) (*explain.Scan, error) {
			if w.KeepSnapshot != asked {
				t.Errorf("asked the agent for it: %t", w.KeepSnapshot)
			}
			return &explain.Scan{Verdict: explain.NothingFound, Snapshot: &fact.Snapshot{}}, nil
		}
		args := []string{"--json"}
		if asked {
			args = append(args, "--snapshot")
		}
		st.run(t.Context(), args...)
		if got := strings.Contains(st.out.String(), `"snapshot"`); got != asked {
			t.Errorf("asked %t, in the JSON %t", asked, got)
		}
	}
}

// Every command's help tells the exit statuses, in both languages, in lines of
// at most 80 columns.
func TestHelp(t *testing.T) {
	for lang, want := range map[string]string{"en": "Exit status:", "zh-CN": "退出码："} {
		for _, cmd := range []string{"", "scan", "explain", "exposure", "doctor", "version", "completion", "help"} {
			st := &stage{env: english()}
			args := append(strings.Fields(cmd), "--help", "--lang", lang)
			if code := st.run(t.Context(), args...); code != 0 {
				t.Errorf("%v: exit %d", args, code)
			}
			out := st.out.String()
			if !strings.Contains(out, want) || !strings.Contains(out, "130") {
				t.Errorf("%v: no exit statuses:\n%s", args, out)
			}
			for _, line := range strings.Split(out, "\n") {
				n := 0
				for _, r := range line {
					if n++; r >= 0x1100 {
						n++
					}
				}
				if n > 80 {
					t.Errorf("%v: %d columns: %s", args, n, line)
				}
			}
		}
	}
}

// --wire is asked of the agent, told on a terminal, and refused where it makes
// no sense.
func TestWire(t *testing.T) {
	var want agent.Want
	st := &stage{env: english()}
	st.tty = []any{&st.err}
	st.look = func(_ context.Context, _ *slog.Logger, w agent.Want, ev func(agent.Event)) (*explain.Scan, error) {
		want = w
		ev(agent.Event{Kind: "listening", Left: w.Wire})
		return stored(t, "disk"), nil
	}
	if code := st.run(t.Context(), "--wire", "30s"); code == exitUsage || want.Wire != 30*time.Second {
		t.Errorf("exit %d, wants %v", code, want.Wire)
	}
	if !strings.Contains(st.err.String(), "listening for miners' words for 30 s") {
		t.Errorf("not told: %s", st.err.String())
	}
	for _, args := range [][]string{{"--wire", "10ms"}, {"--wire", "1h"}, {"--wire", "-5s"}, {"--wire", "soon"}, {"--wire", "5s", "--from", "x"}} {
		if code := st.run(t.Context(), args...); code != exitUsage {
			t.Errorf("%v: exit %d", args, code)
		}
	}
}

// What demine leaves running finds the state that was meant where it was started.
func TestStateAbsolute(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	for given, want := range map[string]string{"": "", "st": filepath.Join(here, "st"), "/srv/st": "/srv/st"} {
		a := &app{state: given, color: "auto", level: "warn"}
		if err := a.settle(); err != nil || a.state != want {
			t.Errorf("%q is %q, %v", given, a.state, err)
		}
	}
}
