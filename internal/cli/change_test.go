package cli

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"demine/internal/i18n"
	"demine/internal/respond"
)

// proposer is an app that may be shown plans, but has no host to change.
func proposer() (*app, *bytes.Buffer) {
	var out bytes.Buffer
	return &app{c: i18n.Load(i18n.English), log: slog.New(slog.DiscardHandler), world: world{
		in: strings.NewReader("y\n"), out: &out, err: io.Discard, env: func(string) string { return "" }, now: time.Now,
		terminal: func(any) bool { return true }, width: func(any) int { return 80 },
	}}, &out
}

// Nobody agrees to what is not shown.
func TestJSONAsksNobody(t *testing.T) {
	a, out := proposer()
	p := respond.Plan{Kind: respond.KindClean, Steps: []respond.Step{{ID: 1, Do: "file.quarantine"}}}
	var u *usage
	if err := a.propose(t.Context(), nil, p, nil, &changeFlags{json: true}); !errors.As(err, &u) || out.Len() > 0 {
		t.Errorf("error %v, stdout %q", err, out)
	}
}

// Who cannot be asked is told to type the same again with --yes, and nothing that would do more.
func TestConsentHint(t *testing.T) {
	a, out := proposer()
	a.terminal = func(any) bool { return false }
	a.typed = []string{"lease", "adopt", "O-1a2b3c4d", "--why", "ticket 812, for Ann's team"}
	p := respond.Plan{Kind: respond.KindHarden, Command: "lease adopt O-1a2b3c4d", Steps: []respond.Step{{ID: 1, Do: "firewall.close"}}}
	for _, json := range []bool{false, true} {
		var u *usage
		err := a.propose(t.Context(), nil, p, nil, &changeFlags{json: json})
		if want := `demine lease adopt O-1a2b3c4d --why 'ticket 812, for Ann'\''s team' --yes`; !errors.As(err, &u) || u.hint != want {
			t.Errorf("error %v, hint %q, want %q", err, u.hint, want)
		}
	}
	if !strings.Contains(out.String(), "demine lease adopt O-1a2b3c4d would do") {
		t.Errorf("the plan is told as another command's: %s", out)
	}
}

// A flag more stands where it is one.
func TestAgain(t *testing.T) {
	for typed, want := range map[string]string{
		"lease close O-1a2b3c4d":    "demine lease close O-1a2b3c4d --yes",
		"lease close -- O-1a2b3c4d": "demine lease close --yes -- O-1a2b3c4d",
	} {
		a := &app{typed: strings.Fields(typed)}
		if got := a.again("--yes"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// contain asks nobody and shows no plan: what a guard kept it from is told all
// the same, and the exit status is not that of success.
func TestContainKeptFromIt(t *testing.T) {
	refusal := i18n.M("refuse.server", "name", "java", "pid", 812)
	for _, c := range []struct {
		left []i18n.Message
		code int
	}{{nil, exitNothing}, {[]i18n.Message{i18n.M("left.not-confirmed", "incident", "I1")}, exitNothing}, {[]i18n.Message{refusal}, exitFailed}} {
		a, out := proposer()
		p := respond.Plan{Kind: respond.KindContain, Left: c.left}
		if err := a.propose(t.Context(), nil, p, nil, &changeFlags{}); err != nil || a.code != c.code {
			t.Errorf("%v: exit %d, error %v", c.left, a.code, err)
		}
		if c.code != exitNothing && !strings.Contains(out.String(), "java") {
			t.Errorf("it is not said: %s", out)
		}
	}
}

// A plan is made of a look that listens too, when that is asked for.
func TestChangeListens(t *testing.T) {
	f := &changeFlags{wire: 30 * time.Second}
	if r, err := f.request(respond.KindContain); err != nil || r.Wire != 30*time.Second {
		t.Errorf("%v: %+v", err, r)
	}
	f.wire = time.Hour
	if _, err := f.request(respond.KindClean); err == nil {
		t.Error("an hour is taken")
	}
}
