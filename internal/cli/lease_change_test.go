package cli

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/report"
)

// What was closed or withdrawn is told so, also when something else went wrong; what
// was not is not.
func TestClosedBesideError(t *testing.T) {
	for state, want := range map[string]string{
		lease.Closed: "L-7Q2KD is closed", lease.Withdrawn: "request L-7Q2KD is withdrawn", lease.Open: "", lease.Requested: "",
	} {
		a, st := printing()
		cmd := &cobra.Command{}
		cmd.SetContext(t.Context())
		le, unread := lease.Lease{ID: "L-7Q2KD", State: state}, errors.New("a rule that cannot be read")
		err := a.leaseChanged(cmd, &le, 0, nil, &agent.Swept{}, unread, false, le.ID, closedSays(&le, nil)...)
		if got := st.out.String(); !errors.Is(err, unread) || !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: %q, %v", state, got, err)
		}
	}
}

// Why a lease was not put back is not told of one that is closed by the same command;
// what else was found is.
func TestClosedNotPutBack(t *testing.T) {
	swept := agent.Swept{Trouble: []agent.Trouble{
		{ID: "L-7Q2KD", Doing: lease.DidPut, Err: errors.New("somebody shut it")}, {ID: "L-7Q2KD", Doing: lease.DidEnd, Err: errors.New("busy")},
		{ID: "L-22222", Doing: lease.DidPut, Err: errors.New("another one")}}}
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	for state, want := range map[string]bool{lease.Closed: false, lease.Open: true} {
		a, st := printing()
		le := lease.Lease{ID: "L-7Q2KD", State: state}
		if err := a.leaseChanged(cmd, &le, 0, nil, &swept, nil, false, le.ID, "lease.closed"); err != nil {
			t.Fatal(err)
		}
		got := st.err.String()
		if strings.Contains(got, "somebody shut it") != want || !strings.Contains(got, "busy") || !strings.Contains(got, "another one") {
			t.Errorf("%s: %s", state, got)
		}
	}
}

// That what was done is written down in memory alone is said once, in text and in JSON,
// of an opening and of a change.
func TestVolatileSaid(t *testing.T) {
	swept := agent.Swept{Volatile: i18n.M("lease.store.disk-full", "dir", "/s", "trail", "/r/leases/trail")}
	le := lease.Lease{ID: "L-7Q2KD", State: lease.Open}
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	for name, print := range map[string]func(*app, bool) error{
		"opened": func(a *app, json bool) error {
			return a.leaseAnswer(t.Context(), le.ID, agent.LeaseAnswer{Lease: &le, Swept: swept}, nil, json)
		},
		"extended": func(a *app, json bool) error {
			return a.leaseChanged(cmd, &le, 0, nil, &swept, nil, json, le.ID, "lease.extended")
		},
	} {
		for _, json := range []bool{false, true} {
			a, st := printing()
			if err := print(a, json); err != nil {
				t.Fatal(err)
			}
			text, id := strings.Count(st.err.String(), "/s is on a full disk: "), strings.Count(st.out.String(), `"id": "lease.store.disk-full"`)
			if json && (text != 0 || id != 1) || !json && (text != 1 || id != 0) {
				t.Errorf("%s, json %t: %d times in text, %d in JSON", name, json, text, id)
			}
		}
	}
}

// Who only wants to read and may not is told how, and nothing of changes.
func TestReadNotRoot(t *testing.T) {
	for _, args := range [][]string{{"lease"}, {"lease", "ls"}, {"lease", "ls", "--json"}, {"lease", "log"}, {"lease", "log", "--json"}, {"lease", "show", "L-7Q2KD"}} {
		a, st := printing()
		cmd := a.root()
		cmd.SetArgs(args)
		want := "only root can read the leases of this host and their audit trail: run it with sudo"
		if err := cmd.ExecuteContext(t.Context()); a.fail(err) != exitFailed || !strings.Contains(st.err.String(), want) || st.out.Len() > 0 {
			t.Errorf("%v: %v: %s", args, err, st.err.String())
		}
	}
}

// That connections go on is said where there are any, or may be, and nowhere else;
// scripts get how many.
func TestClosedConnections(t *testing.T) {
	none, two := 0, 2
	for _, tt := range []struct {
		name   string
		cut    bool
		used   *int
		lang   string
		want   string
		script string
	}{
		{"none", false, &none, "en", "", `"connections": 0`}, {"some", false, &two, "en", "2 connections that it let in are not cut", `"connections": 2`},
		{"some", false, &two, "zh-CN", "它放进的 2 个连接没有被切断", `"connections": 2`}, {"not counted", false, nil, "en", "if there are any, are not cut", ""},
		{"cut", true, nil, "en", "", ""},
	} {
		for _, json := range []bool{false, true} {
			a, st := printing()
			a.c = i18n.Load(tt.lang)
			cmd := &cobra.Command{}
			le := lease.Lease{ID: "L-7Q2KD", State: lease.Closed, Ask: lease.Ask{Cut: tt.cut}}
			if err := a.leaseChanged(cmd, &le, 0, tt.used, &agent.Swept{}, nil, json, le.ID, closedSays(&le, tt.used)...); err != nil {
				t.Fatal(err)
			}
			got, want := st.out.String(), tt.want
			if json {
				want = tt.script
			}
			if !strings.Contains(got, want) || want == "" && (strings.Contains(got, "go on") || strings.Contains(got, "connections")) {
				t.Errorf("%s, json %t: want %q: %s", tt.name, json, want, got)
			}
		}
	}
}

// printing is demine without a command, and what it prints.
func printing() (*app, *stage) {
	st := &stage{env: english()}
	return &app{log: slog.New(slog.DiscardHandler), c: i18n.Load("en"), world: world{out: &st.out, err: &st.err, now: time.Now,
		env: func(k string) string { return st.env[k] }, terminal: func(any) bool { return false }, width: func(any) int { return 0 }}}, st
}

// A list shows as open what lets somebody in, and nothing else.
func TestLeasesShown(t *testing.T) {
	clock := lease.Clock{Wall: time.Unix(1795260000, 0), Boot: time.Hour, ID: "b"}
	trouble := func(doing string) []agent.Trouble {
		return []agent.Trouble{{ID: "L-7Q2KD", Doing: doing, Err: errors.New("busy")}}
	}
	for _, tt := range []struct {
		name        string
		lost        bool
		ending      string
		trouble     []agent.Trouble
		text, field string
	}{
		{"open", false, "", nil, " 8 h ", ""},
		{"lost", true, "", trouble(lease.DidPut), "not in force", `"not_in_force": true`},
		{"its doorway is gone, and its elements stayed", false, "", trouble(lease.DidPut), "not in force", `"not_in_force": true`},
		{"its end was begun", false, lease.EndHand, trouble(lease.DidEnd), "closing  ", `"closing": true`},
	} {
		le := lease.Begin("L-7Q2KD", lease.Ask{Proto: "tcp", Port: 6380, For: 8 * time.Hour, Who: "w", Why: "y"}, clock)
		le.Lost, le.Ending = tt.lost, tt.ending
		list := &agent.LeaseList{Leases: []lease.Lease{le}, Clock: clock, Kept: true, Swept: agent.Swept{Trouble: tt.trouble}}
		for _, json := range []bool{false, true} {
			a, st := printing()
			if err := a.showLeases(list, json); err != nil {
				t.Fatal(err)
			}
			for _, word := range []string{" 8 h ", "not in force", "closing  ", `"not_in_force": true`, `"closing": true`} {
				want := !json && word == tt.text || json && word == tt.field
				if got := st.out.String(); strings.Contains(got, word) != want {
					t.Errorf("%s: %q: want %t: %s", tt.name, word, want, got)
				}
			}
		}
	}
}

// A request of another host is approved there, by a line that a shell takes as it is.
func TestApproveThere(t *testing.T) {
	for _, tt := range []struct{ host, file, want string }{
		{"shop02", "request.json", "ssh shop02 sudo demine lease approve - < request.json"},
		{"shop02", "-", "ssh shop02 sudo demine lease approve L-7Q2KD"},
		{"x; reboot", "my request", "ssh 'x; reboot' sudo demine lease approve - < 'my request'"},
	} {
		if got := approveThere(report.LeaseView{ID: "L-7Q2KD", Host: tt.host}, tt.file); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
