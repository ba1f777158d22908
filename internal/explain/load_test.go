package explain

import (
	"testing"

	"demine/internal/fact"
	"demine/internal/relate"
)

// The usual answer is "not a miner": the cause of the load is named whatever
// it is.
func TestLoadCause(t *testing.T) {
	miner := fact.Process{Ref: "process:9", PID: 9, Comm: "minerd", CPUNow: 190}
	mysqld := fact.Process{Ref: "process:5", PID: 5, Comm: "mysqld", CPUNow: 150}
	for name, c := range map[string]struct {
		load    fact.Load
		process []fact.Process
		want    string
		first   string
	}{
		"miner":           {fact.Load{User: 97}, []fact.Process{miner}, "miner", "minerd"},
		"miner and steal": {fact.Load{User: 60, Steal: 35}, []fact.Process{miner}, "miner", "minerd"},
		"a query":         {fact.Load{User: 76}, []fact.Process{mysqld}, "cpu", "mysqld"},
		"disk wait":       {fact.Load{User: 5, IOWait: 60}, nil, "disk", ""},
		"tasks in D":      {fact.Load{User: 5, Blocked: 40}, nil, "disk", ""},
		"steal":           {fact.Load{User: 40, Steal: 45}, nil, "steal", ""},
		"memory":          {fact.Load{User: 20, PSI: []fact.PSI{{Resource: "memory", Kind: "full", Avg10: 40}}}, nil, "memory", ""},
		"swapping":        {fact.Load{User: 20, SwapInOut: 4000}, nil, "memory", ""},
		"hidden":          {fact.Load{User: 95}, []fact.Process{{Ref: "process:5", PID: 5, Comm: "bash", CPUNow: 2}}, "unseen", ""},
		"short-lived":     {fact.Load{User: 95, Brief: 90}, nil, "cpu", ""},
		"idle":            {fact.Load{User: 3}, nil, "none", ""},
	} {
		c.load.SampleMS = 300
		s := &fact.Snapshot{Host: fact.HostInfo{CPUs: 2}, Load: c.load, Process: c.process}
		got := loadCause(relate.New(s), map[fact.Ref]bool{"process:9": true})
		if got.Cause != c.want || got.Line.ID != "load."+c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Cause, got.Line.ID, c.want)
		}
		if c.first != "" && (len(got.By) == 0 || got.By[0].Name != c.first) {
			t.Errorf("%s: by %+v, want %s first", name, got.By, c.first)
		}
	}
	if got := loadCause(relate.New(&fact.Snapshot{}), nil); got.Cause != "unknown" {
		t.Errorf("without a sample: %s", got.Cause)
	}
}

// Who suffers: those that serve others, and known servers; never the implant,
// never the operator's own connection.
func TestImpact(t *testing.T) {
	s := &fact.Snapshot{Process: []fact.Process{
		{Ref: "process:1", PID: 1, Comm: "java", BusyNow: 71, CPUNow: 20},
		{Ref: "process:2", PID: 2, Comm: "mysqld", BusyNow: -1},
		{Ref: "process:3", PID: 3, Comm: "sshd", BusyNow: 90},
		{Ref: "process:9", PID: 9, Comm: "java", BusyNow: 50},
		{Ref: "process:4", PID: 4, Comm: "bash", BusyNow: 60},
	}}
	got := impact(relate.New(s), map[fact.Ref]bool{"process:9": true})
	if len(got) != 1 || got[0].PID != 1 || got[0].Waits != 71 {
		t.Errorf("%+v", got)
	}
}
