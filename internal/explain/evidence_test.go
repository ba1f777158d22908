package explain

import (
	"testing"

	"demine/causes"
	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"
)

// The login that let the intruder in is part of the story: a line of the
// timeline, and an arrow to what was started in its session.
func TestEntryInStory(t *testing.T) {
	hs, err := LoadCauses(causes.FS)
	if err != nil {
		t.Fatal(err)
	}
	old := accepted(0, "publickey", "203.0.113.9", "SHA256:own")
	old.PID = 7
	e := accepted(30, "publickey", "203.0.113.66", "SHA256:new")
	e.Origin = fact.Origin{Path: "/var/log/auth.log", Line: 12}
	s := &fact.Snapshot{
		Taken: minute(59), Log: []fact.LogEvent{old, e},
		Process: []fact.Process{
			{PID: 400, PPID: 1, Ref: "p:400", Comm: "sshd", Exe: "/usr/sbin/sshd", Started: minute(30), Session: "7"},
			{PID: 500, PPID: 1, Ref: "p:500", Exe: "/tmp/x", Started: minute(31), Session: "7", Unit: "session-7.scope"},
		},
	}
	got := incident(relate.New(s), []judge.Finding{{ID: "F-1", Subject: "p:500"}}, hs)
	if got.Causes[0].ID != "ssh-foreign-key" {
		t.Fatalf("%+v", got.Causes)
	}
	first := got.Timeline[0]
	if first.Message.ID != "cause.ssh-foreign-key.for.new-key" || first.Origin == nil || first.Origin.Line != 12 {
		t.Errorf("first event %+v", first)
	}
	if want := (Edge{From: "log:/var/log/auth.log:12", To: "p:500", Kind: "logged-in", Why: "ssh-accepted"}); !hasEdge(got.Graph, want) {
		t.Errorf("edges %+v", got.Graph.Edges)
	}
}

// What runs in the unit of a server is drawn in it.
func TestInsideInGraph(t *testing.T) {
	hs, err := LoadCauses(causes.FS)
	if err != nil {
		t.Fatal(err)
	}
	s := &fact.Snapshot{Taken: minute(59), Process: []fact.Process{
		{PID: 500, PPID: 1, Ref: "p:500", Exe: "/tmp/x", Started: minute(31), Unit: "tomcat9.service"},
		{PID: 400, PPID: 1, Ref: "p:400", Exe: "/usr/lib/jvm/bin/java", Argv: []string{"java", "org.apache.catalina.startup.Bootstrap"}, Unit: "tomcat9.service"},
	}}
	got := incident(relate.New(s), []judge.Finding{{ID: "F-1", Subject: "p:500"}}, hs)
	if want := (Edge{From: "home:tomcat9.service", To: "p:500", Kind: "inside", Why: "cgroup"}); !hasEdge(got.Graph, want) {
		t.Errorf("edges %+v", got.Graph.Edges)
	}
}

func hasEdge(g Graph, want Edge) bool {
	for _, e := range g.Edges {
		if e == want {
			return true
		}
	}
	return false
}
