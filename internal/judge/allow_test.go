package judge

import (
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/relate"
)

func TestAllow(t *testing.T) {
	now := time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)
	exe := fact.FileRef("/opt/xmr/xmr")
	s := &fact.Snapshot{
		Taken: now,
		File:  []fact.File{{Ref: exe, Path: "/opt/xmr/xmr", SHA256: "aa", UID: 0}},
		Process: []fact.Process{
			{Ref: "process:1", PID: 1, UID: 1001, RUID: 1001, ExeFile: exe},
			{Ref: "process:2", PID: 2, UID: 0, RUID: 0, ExeFile: exe},
			{Ref: "process:3", PID: 3, UID: 0, RUID: 1001, ExeFile: exe},
		},
	}
	x := relate.New(s)
	r := Report{Findings: []Finding{
		{ID: "F-owner", Rule: "mining/miner-code-installed", Subject: "process:1"},
		{ID: "F-root", Rule: "mining/miner-code", Subject: "process:2"},
		{ID: "F-setuid", Rule: "mining/miner-code", Subject: "process:3"},
		{ID: "F-job", Rule: "persistence/cron-starts-miner", Subject: "autostart:cron:/etc/cron.d/x", About: []fact.Ref{"process:1"}},
		{ID: "F-other", Rule: "persistence/autostart-writable", Subject: "autostart:cron:/etc/cron.d/x", About: []fact.Ref{"process:1"}},
	}}
	ids := func(r Report) (kept, allowed string) {
		for _, f := range r.Findings {
			kept += f.ID + " "
		}
		for _, a := range r.Allowed {
			allowed += a.Finding.ID + " "
		}
		return kept, allowed
	}
	all := "F-owner F-root F-setuid F-job F-other "
	for _, c := range []struct {
		what          string
		a             Allowance
		kept, allowed string
	}{
		{"the program and its account", Allowance{SHA256: "aa", UID: 1001, Until: now.Add(time.Hour)}, "F-root F-setuid F-other ", "F-owner F-job "},
		{"another content", Allowance{SHA256: "ab", UID: 1001, Until: now.Add(time.Hour)}, all, ""},
		{"ended this very second", Allowance{SHA256: "aa", UID: 1001, Until: now}, all, ""},
		{"no content is no program", Allowance{UID: 1001, Until: now.Add(time.Hour)}, all, ""},
	} {
		kept, allowed := ids(Allow(r, x, []Allowance{c.a}, now))
		if kept != c.kept || allowed != c.allowed {
			t.Errorf("%s: kept %q, allowed %q", c.what, kept, allowed)
		}
	}
	if a, ok := CanAllow(r.Findings[0], x); !ok || a.SHA256 != "aa" || a.UID != 1001 {
		t.Errorf("can allow: %v %v", a, ok)
	}
	for _, i := range []int{2, 4} {
		if _, ok := CanAllow(r.Findings[i], x); ok {
			t.Errorf("%s can be allowed", r.Findings[i].ID)
		}
	}
}
