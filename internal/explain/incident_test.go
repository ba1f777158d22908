package explain

import (
	"testing"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// The miner names the incident, and what brings it back is told before a
// planted table that this host's cron ignores.
func TestIncidentTellsTheMinerFirst(t *testing.T) {
	s := &fact.Snapshot{
		Process: []fact.Process{{Ref: "process:295", PID: 295, Exe: "/var/tmp/minerd"}},
		Autostart: []fact.Autostart{
			{Ref: "autostart:cron:ignored", Kind: "cron", Schedule: "*/5 * * * *", Dormant: "bad-mode", Text: "ignored"},
			{Ref: "autostart:cron:runs", Kind: "cron", Schedule: "*/5 * * * *", Active: true, Text: "runs"},
		},
		Key: []fact.Key{{Ref: "key:k"}},
	}
	found := func(rule string, about fact.Ref) judge.Finding {
		return judge.Finding{ID: "F-1", Rule: rule, Class: judge.Attack, Certainty: judge.Confirmed, Subject: about, Message: i18n.M("rule." + rule)}
	}
	x := relate.New(s)
	got := incident(x, []judge.Finding{
		found("access/key", "key:k"), found("persistence/dump", "autostart:cron:ignored"),
		found("mining/miner-code", "process:295"), found("persistence/cron", "autostart:cron:runs"),
	}, nil)
	if got.Title.ID != "rule.mining/miner-code" {
		t.Errorf("title %s", got.Title.ID)
	}
	var jobs []string
	for _, m := range got.Implants {
		if m.Kind == fact.KindAutostart {
			jobs = append(jobs, m.Name)
		}
	}
	if len(jobs) != 2 || jobs[0] != "runs" || jobs[1] != "ignored" {
		t.Errorf("autostarts %v", jobs)
	}
	if sc := schedulesOf(x, []Incident{got}); len(sc) != 1 || sc[0].Ref != "autostart:cron:runs" {
		t.Errorf("schedules %+v, want only the one that runs", sc)
	}
	key := incident(x, []judge.Finding{found("access/key", "key:k")}, nil)
	if weight(got) >= weight(key) {
		t.Error("another incident comes before the miner")
	}
}
