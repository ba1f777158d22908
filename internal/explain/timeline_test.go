package explain

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/judge"
	"demine/internal/relate"
)

// Of an implant in a container it is told when that was made and last started:
// once, however many of them are in it.
func TestContainerInTimeline(t *testing.T) {
	at := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	const id = "0123456789abcdef"
	s := &fact.Snapshot{
		Taken: at.Add(time.Hour),
		Process: []fact.Process{
			{Ref: "process:1", PID: 1, Exe: "/x", Container: id, Started: at.Add(2 * time.Second)},
			{Ref: "process:2", PID: 2, Exe: "/x", Container: id, Started: at.Add(3 * time.Second)},
		},
		Container: []fact.Container{{Ref: fact.ContainerRef(id), ID: id, ImageID: "sha256:9", Created: at, Started: at.Add(time.Second)}},
	}
	var fs []judge.Finding
	for i := range s.Process {
		fs = append(fs, judge.Finding{ID: "F-1", Class: judge.Attack, Certainty: judge.Confirmed, Subject: s.Process[i].Ref})
	}
	sc := newScene(relate.New(s), fs)
	var got []string
	for _, e := range sc.timeline(Cause{}) {
		got = append(got, e.Message.ID+" "+e.Source)
		if e.Source == "runtime" && (e.Message.Args["name"] != id[:12] || e.Message.Args["image"] != "sha256:9") {
			t.Errorf("%+v", e.Message)
		}
	}
	want := []string{"event.container-created runtime", "event.container-started runtime", "event.process-started kernel", "event.process-started kernel"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
