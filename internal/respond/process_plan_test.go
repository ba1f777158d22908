package respond

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// accused is a host on which findings accuse processes: java → sh → minerd →
// curl, a second minerd, and a worker of minerd that a client is connected to.
func accused() *explain.Scan {
	miner, id := fact.Path("/var/tmp/minerd"), fact.FileID{Dev: 1, Ino: 9}
	process := func(pid, ppid int, exe fact.Path, id fact.FileID) fact.Process {
		return fact.Process{Ref: fact.ProcessRef("boot", pid, uint64(pid)), PID: pid, PPID: ppid, StartTicks: uint64(pid),
			Exe: exe, ExeID: id, ExeFile: fact.FileRef(exe)}
	}
	s := &fact.Snapshot{Host: fact.HostInfo{Name: "shop", Boot: "boot", Self: 50}, Taken: time.Unix(1e9, 0), Process: []fact.Process{
		process(1, 0, "/sbin/init", fact.FileID{Dev: 1, Ino: 1}),
		process(40, 1, "/bin/bash", fact.FileID{Dev: 1, Ino: 2}),
		process(50, 40, "/root/demine", fact.FileID{Dev: 1, Ino: 3}),
		process(70, 1, "/opt/jdk/bin/java", fact.FileID{Dev: 1, Ino: 4}),
		process(71, 70, "/bin/dash", fact.FileID{Dev: 1, Ino: 5}),
		process(72, 71, miner, id),
		process(73, 72, "/usr/bin/curl", fact.FileID{Dev: 1, Ino: 6}),
		process(74, 72, "/srv/shop/web", fact.FileID{Dev: 1, Ino: 7}),
		process(75, 74, "/bin/dash", fact.FileID{Dev: 1, Ino: 5}),
		process(76, 1, miner, id),
	}, File: []fact.File{
		{Ref: fact.FileRef(miner), Path: miner, ID: id, Size: 7, Modified: time.Unix(9e8, 0)},
		{Ref: fact.FileRef("/bin/dash"), Path: "/bin/dash", Package: "dash", Verified: "same"},
		{Ref: fact.FileRef("/usr/bin/curl"), Path: "/usr/bin/curl", Package: "curl", Verified: "same"},
	}, Socket: []fact.Socket{
		{Proto: "tcp", State: "LISTEN", Port: 8080, Inode: 7, NetNS: 1},
		{Proto: "tcp", State: "ESTABLISHED", Local: netip.MustParseAddr("10.0.0.1"), Port: 8080, Peer: netip.MustParseAddr("10.0.0.9"), PeerPort: 5000, Inode: 8, NetNS: 1},
	}}
	s.Process[7].Sockets = []uint64{7}
	return &explain.Scan{Snapshot: s, Host: s.Host, ID: "S-1", Taken: s.Taken}
}

// accuse adds a finding about a process, in one incident.
func accuse(s *explain.Scan, pid int, certainty string) {
	var ref fact.Ref
	for _, p := range s.Snapshot.Process {
		if p.PID == pid {
			ref = p.Ref
		}
	}
	f := judge.Finding{ID: "F-" + string(ref), Rule: "mining/miner-code", Class: judge.Attack, Certainty: certainty, Subject: ref,
		Remedy: []string{"process.freeze", "process.kill"}}
	s.Findings = append(s.Findings, f)
	if len(s.Incidents) == 0 {
		s.Incidents = []explain.Incident{{ID: "I-1", Certainty: judge.Confirmed}}
	}
	s.Incidents[0].Findings = append(s.Incidents[0].Findings, f.ID)
}

func ids(ms []i18n.Message) []string {
	out := []string{}
	for _, m := range ms {
		out = append(out, m.ID)
	}
	return out
}

// Two processes of one image are one family: frozen, kept, ended once, without
// its ancestors and without what serves.
func TestPlanFreeze(t *testing.T) {
	s := accused()
	accuse(s, 72, judge.Confirmed)
	accuse(s, 76, judge.Confirmed)
	p := Make(s, Request{Kind: KindClean})
	var did []string
	for _, st := range p.Steps {
		did = append(did, st.Do)
		fam, err := decode[family](st.With)
		if err != nil {
			t.Fatal(err)
		}
		want := family{Exe: "/var/tmp/minerd", ID: fact.FileID{Dev: 1, Ino: 9}, Size: 7, Modified: time.Unix(9e8, 0),
			Roots: []procID{{72, 72}, {76, 76}}, Spare: []procID{{74, 74}}}
		if diff := cmp.Diff(want, fam); diff != "" {
			t.Errorf("%s (-want +got):\n%s", st.Do, diff)
		}
		if st.Target != "/var/tmp/minerd" || st.What.Args["n"] != 3 || len(st.Because) != 2 {
			t.Errorf("%+v", st)
		}
	}
	if diff := cmp.Diff([]string{"process.freeze", "evidence.process", "process.kill"}, did); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"left.descendant", "left.parent"}, ids(p.Left)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	for _, lang := range []string{i18n.English, i18n.Chinese} {
		c := i18n.Load(lang)
		for _, st := range p.Steps {
			t.Log(c.Text(st.What), c.Text(st.Back))
		}
		for _, m := range p.Left {
			t.Log(c.Text(m))
		}
	}
}

// What is accused but must not be stopped is left, with the reason.
func TestPlanFreezeLeaves(t *testing.T) {
	tests := []struct {
		name      string
		pid       int
		certainty string
		change    func(s *fact.Snapshot)
		want      []string
	}{
		{"suspect", 72, judge.Likely, nil, []string{"left.suspect"}},
		{"pid 1", 1, judge.Confirmed, nil, []string{"refuse.init"}},
		{"demine", 50, judge.Confirmed, nil, []string{"refuse.self"}},
		{"the operator's shell", 40, judge.Confirmed, nil, []string{"refuse.self"}},
		{"inside of java", 70, judge.Confirmed, nil, []string{"refuse.server"}},
		{"a package's program", 71, judge.Confirmed, nil, []string{"refuse.packaged"}},
		{"it serves", 74, judge.Confirmed, nil, []string{"refuse.serves"}},
		{"another of the image serves", 72, judge.Confirmed, func(s *fact.Snapshot) { s.Process[9].Sockets = []uint64{7} }, []string{"refuse.serves"}},
		{"an ancestor of demine", 72, judge.Confirmed, func(s *fact.Snapshot) { s.Process[1].PPID = 72 }, []string{"refuse.self"}},
		{"sshd", 72, judge.Confirmed, func(s *fact.Snapshot) { s.Process[5].Exe = "/usr/sbin/sshd" }, []string{"refuse.system"}},
		{"a kernel thread", 72, judge.Confirmed, func(s *fact.Snapshot) { s.Process[5].Kernel = true }, []string{"refuse.kernel"}},
		{"no image", 72, judge.Confirmed, func(s *fact.Snapshot) { s.Process[5].ExeID = fact.FileID{} }, []string{"refuse.no-image"}},
		{"a process of this host is its client", 76, judge.Confirmed, func(s *fact.Snapshot) {
			s.Process[9].Sockets, s.Process[3].Sockets = []uint64{17}, []uint64{18}
			lo := netip.MustParseAddr("127.0.0.1")
			s.Socket = append(s.Socket, fact.Socket{Proto: "tcp", State: "LISTEN", Port: 9000, Inode: 17, NetNS: 1},
				fact.Socket{Proto: "tcp", State: "ESTABLISHED", Local: lo, Port: 5001, Peer: lo, PeerPort: 9000, Inode: 18, NetNS: 1})
		}, []string{"refuse.serves"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := accused()
			if tt.change != nil {
				tt.change(s.Snapshot)
			}
			accuse(s, tt.pid, tt.certainty)
			m := &Making{X: relate.New(s.Snapshot), Scan: s, Req: Request{Kind: KindContain}}
			planFreeze(m, &s.Incidents[0])
			if len(m.steps) > 0 {
				t.Errorf("steps: %+v", m.steps)
			}
			if diff := cmp.Diff(tt.want, ids(m.left)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			m.Req.Kind = KindClean
			planKill(m, &s.Findings[0])
			if len(m.steps) > 0 {
				t.Errorf("it would be ended: %+v", m.steps)
			}
		})
	}
}
