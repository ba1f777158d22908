//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// scan is the part of demine's JSON contract that the tests read. They know the contract and nothing else of demine.
type scan struct {
	Verdict   string     `json:"verdict"`
	Exit      int        `json:"exit"`
	Exposed   int        `json:"exposed"`
	Load      load       `json:"load"`
	Incidents []incident `json:"incidents"`
	Findings  []finding  `json:"findings"`
	Exposure  []exposure `json:"exposure"`
	Schedule  []jobTimes `json:"schedule"`
	Excused   []excused  `json:"excused"`
	Coverage  []coverage `json:"coverage"`
	Impact    []impact   `json:"impact"`
	Operator  struct {
		Peer string `json:"peer"`
	} `json:"operator"`
}

type load struct {
	Cause string `json:"cause"`
	By    []struct {
		Name string `json:"name"`
		PID  int    `json:"pid"`
	} `json:"by"`
}

type origin struct {
	Path string `json:"path"`
	Line int    `json:"line"`
}

type message struct {
	ID   string         `json:"id"`
	Args map[string]any `json:"args"`
}

type finding struct {
	Rule, Class, Certainty, Subject string
	Origin                          origin
	Message                         message
}

type excused struct{ Rule, Subject, Reason string }

type exposure struct {
	Listener, Service, From, Because, Why, Auth, Backend string
	RuleN                                                int `json:"rule_n"`
	Saved                                                []origin
	Peers                                                int
}

type jobTimes struct {
	Ref     string `json:"ref"`
	Hours   []int  `json:"hours"`
	Window  string `json:"window"`
	Every   int    `json:"every"`
	Next    time.Time
	First   time.Time
	Started []struct {
		Process string
		Tick    time.Time
	}
}

type evidence struct {
	ID      string
	Message message
	Origin  *origin
	Time    *time.Time
	About   string
}

type cause struct {
	ID, Certainty         string
	Score                 float64
	For, Against, Missing []evidence
}

type incident struct {
	Certainty string
	Causes    []cause
	Timeline  []struct {
		Time    time.Time
		Source  string
		Message message
	}
	Graph  struct{ Nodes, Edges []struct{ Kind string } }
	Advice string
}

type coverage struct {
	Observer, State string
	Gaps            []struct{ Code, What, Detail string }
}

type impact struct {
	Name  string
	Waits float64
	Peers int
}

// product builds demine as a user would, once a test binary.
func product(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "demine")
	out, err := goBuild(t, "./cmd/demine", bin)
	if err != nil {
		t.Fatalf("build demine: %v\n%s", err, out)
	}
	return bin
}

// examine runs demine in the host.
func examine(t *testing.T, h *Host, args ...string) scan {
	t.Helper()
	r, err := h.Run(t.Context(), append([]string{"/root/demine", "scan", "--json"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var s scan
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatalf("exit %d, %v: %s%s", r.Exit, err, r.Stdout, r.Stderr)
	}
	if s.Exit != r.Exit {
		t.Errorf("exit %d, JSON says %d", r.Exit, s.Exit)
	}
	for _, c := range s.Coverage {
		if c.State != "seen" && c.State != "absent" {
			t.Errorf("observer %s: %s %+v", c.Observer, c.State, c.Gaps)
		}
	}
	if t.Failed() {
		keep(t, h, r.Stdout)
	}
	return s
}

// unstolen is examine on a machine whose hypervisor takes its CPUs away now and then, and on which others use them too:
// the load is then truly put down to that, and the host is looked at again.
func unstolen(t *testing.T, h *Host) (s scan) {
	t.Helper()
	err := until(t.Context(), time.Minute, "others to leave the CPUs alone", func() error {
		if s = examine(t, h); s.Load.Cause == "steal" || s.Load.Cause == "unseen" {
			return fmt.Errorf("load: %+v", s.Load)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return s
}

// keep leaves the JSON of a failed test for the one who mends it.
func keep(t *testing.T, h *Host, text string) {
	name := filepath.Join(os.TempDir(), "demine-failed-"+h.Config.Name+".json")
	if os.WriteFile(name, []byte(text), 0o600) == nil {
		t.Logf("the whole scan is in %s", name)
	}
}

// TestSeedSeen: on the incident, in every cron layout and with every packet filter, demine sees everything that the
// engineer saw, as one incident, and says how they got in.
func TestSeedSeen(t *testing.T) {
	bin := product(t)
	for _, cron := range Crons {
		t.Run(string(cron), func(t *testing.T) {
			t.Parallel()
			h := boot(t, Config{Name: "look-" + string(cron), Scenario: "seed", Cron: cron, Threads: 1})
			if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
				t.Fatal(err)
			}
			for _, kind := range Firewalls {
				if err := h.SwitchFirewall(t.Context(), kind); err != nil {
					t.Fatal(err)
				}
				t.Run(string(kind), func(t *testing.T) {
					s := unstolen(t, h)
					checkVerdict(t, h, s)
					checkRestart(t, h, s)
					checkExposure(t, h, s)
					checkKeys(t, h, s)
					checkCause(t, h, s)
					if t.Failed() {
						raw, _ := json.MarshalIndent(s, "", " ")
						keep(t, h, string(raw))
					}
				})
			}
		})
	}
}

func findings(s scan, rule string) (out []finding) {
	for _, f := range s.Findings {
		if f.Rule == rule {
			out = append(out, f)
		}
	}
	return out
}

func one(t *testing.T, s scan, rule string) finding {
	t.Helper()
	fs := findings(s, rule)
	if len(fs) != 1 {
		t.Errorf("%d findings of %s, want 1: %+v", len(fs), rule, fs)
		return finding{}
	}
	return fs[0]
}

// checkVerdict: the process, its place, its user, the load, who suffers.
func checkVerdict(t *testing.T, h *Host, s scan) {
	t.Helper()
	if s.Verdict != "mining" || s.Exit != 3 || s.Load.Cause != "miner" {
		t.Errorf("verdict %s, exit %d, load %s", s.Verdict, s.Exit, s.Load.Cause)
	}
	if len(s.Incidents) != 1 || s.Incidents[0].Certainty != "confirmed" || s.Incidents[0].Advice != "rebuild" {
		t.Errorf("want one confirmed incident: %+v", s.Incidents)
	}
	m := one(t, s, "mining/miner-code")
	if m.Certainty != "confirmed" || m.Message.Args["exe"] != h.Facts.Miner.Exe || m.Message.Args["user"] != "root" ||
		m.Message.Args["pid"] != float64(h.Facts.Miner.PID) {
		t.Errorf("miner: %+v, want %+v", m, h.Facts.Miner)
	}
	if !slices.ContainsFunc(s.Impact, func(i impact) bool { return i.Name == "sale" && i.Peers > 0 && i.Waits > 0 }) {
		t.Errorf("the shop does not suffer: %+v", s.Impact)
	}
	for _, f := range s.Findings {
		// An owner's key that was long not used looks like the intruder's, and a job that fetches can be honest.
		mayBeHonest := strings.HasPrefix(f.Rule, "access/") || f.Rule == "persistence/cron-fetch-exec"
		if f.Class == "attack" && f.Certainty != "confirmed" && !mayBeHonest {
			t.Errorf("a doubtful finding: %+v", f)
		}
	}
}

// checkRestart: the job, its line, its hours, and that its first tick is when the process started.
func checkRestart(t *testing.T, h *Host, s scan) {
	t.Helper()
	in := h.Facts.Intruder
	job := one(t, s, "persistence/cron-starts-miner")
	if job.Origin != (origin{in.JobFile, in.JobLine}) {
		t.Errorf("the job is at %+v, want %s:%d", job.Origin, in.JobFile, in.JobLine)
	}
	if fs := findings(s, "persistence/cron-in-redis-dump"); len(fs) == 0 || fs[0].Origin.Path != in.CronFile {
		t.Errorf("the crontab that Redis wrote: %+v, want %s", fs, in.CronFile)
	}
	i := slices.IndexFunc(s.Schedule, func(x jobTimes) bool { return x.Ref == job.Subject })
	if i < 0 {
		t.Fatalf("no schedule of %s: %+v", job.Subject, s.Schedule)
	}
	x := s.Schedule[i]
	if x.Window != "19:00-07:59" || x.Every != 300 || slices.ContainsFunc(x.Hours, func(h int) bool { return h > 7 && h < 19 }) {
		t.Errorf("schedule: %+v", x)
	}
	if len(x.Started) == 0 || x.Started[0].Tick.Sub(h.Facts.Miner.Started).Abs() > 90*time.Second || !x.Started[0].Tick.Equal(x.First) {
		t.Errorf("the job's start: %+v, want the first tick, near %s", x, h.Facts.Miner.Started)
	}
}

// checkExposure: the listener, the rule with its number, where it is saved, no password; MySQL only from the office.
func checkExposure(t *testing.T, h *Host, s scan) {
	t.Helper()
	d := h.Facts.Door
	for _, want := range h.Facts.Expect.Exposed {
		i := slices.IndexFunc(s.Exposure, func(e exposure) bool { return e.Listener == want })
		if i < 0 {
			t.Errorf("%s is not seen", want)
			continue
		}
		e := s.Exposure[i]
		if e.From != "anywhere" || e.Auth != "none" || e.Service != "redis" || e.RuleN != d.Position || e.Backend != string(h.Config.Firewall) {
			t.Errorf("%s: %+v, want rule %d of %s", want, e, d.Position, h.Config.Firewall)
		}
		if e.Because != d.Rule {
			t.Errorf("%s because %q, want %q", want, e.Because, d.Rule)
		}
		if !slices.ContainsFunc(e.Saved, func(o origin) bool { return o.Path == d.Persisted && o.Line > 0 }) {
			t.Errorf("%s is saved at %+v, want %s", want, e.Saved, d.Persisted)
		}
	}
	for _, e := range s.Exposure {
		if strings.HasSuffix(e.Listener, ":3306") && e.From != "some" {
			t.Errorf("MariaDB: %+v", e)
		}
	}
	if s.Exposed == 0 || len(findings(s, "redis/open")) == 0 || len(findings(s, "redis/as-root")) != 1 {
		t.Errorf("posture: %+v", s.Findings)
	}
}

// checkKeys: the intruder's key is accused, the owner's is not, though both are in the file that Redis wrote.
func checkKeys(t *testing.T, h *Host, s scan) {
	t.Helper()
	f := one(t, s, "access/key-in-redis-dump")
	if f.Message.Args["fingerprint"] != h.Facts.Intruder.Key || f.Certainty != "likely" {
		t.Errorf("foreign key: %+v, want %s", f, h.Facts.Intruder.Key)
	}
	if !slices.ContainsFunc(s.Excused, func(e excused) bool {
		return e.Rule == "access/key-in-redis-dump" && e.Reason == "used-before" && strings.Contains(e.Subject, h.Facts.OwnerKey)
	}) {
		t.Errorf("the owner's key %s is not told apart: %+v", h.Facts.OwnerKey, s.Excused)
	}
	if got := len(findings(s, "access/login-with-foreign-key")) == 1; got != h.Facts.Intruder.LoggedIn {
		t.Errorf("a login with the foreign key: %v, want %v", got, h.Facts.Intruder.LoggedIn)
	}
}

// checkCause: the way in ranks first and cites the header, its time, the missing password, the rule and the history.
// Debian's cron does not run what Redis wrote: there the way in is the key.
func checkCause(t *testing.T, h *Host, s scan) {
	t.Helper()
	if len(s.Incidents) == 0 || len(s.Incidents[0].Causes) == 0 {
		t.Fatal("no causes")
	}
	in := h.Facts.Intruder
	first, want, saved, path := s.Incidents[0].Causes[0], "redis-cron-write", in.CronSaved, in.CronFile
	if !in.CronRuns {
		want, saved, path = "redis-key-write", in.KeysSaved, in.KeysFile
	}
	if first.ID != want || first.Certainty != "confirmed" {
		t.Fatalf("first cause %s (%s), want %s", first.ID, first.Certainty, want)
	}
	has := map[string]evidence{}
	for _, e := range first.For {
		has[e.ID] = e
	}
	head := has["rdb-header"]
	if head.Time == nil || head.Time.Sub(saved).Abs() > time.Second || head.Origin == nil || head.Origin.Path != path {
		t.Errorf("the dump's header: %+v, want %s at %s", head, path, saved)
	}
	for _, id := range []string{"no-password", "door", "opened-by-hand"} {
		if _, ok := has[id]; !ok {
			t.Errorf("the cause does not cite %s: %+v", id, first.For)
		}
	}
	if got := fmt.Sprint(has["door"].Message.Args["because"]); got != h.Facts.Door.Rule {
		t.Errorf("the door: %q, want %q", got, h.Facts.Door.Rule)
	}
}

func goBuild(t *testing.T, pkg, out string) ([]byte, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", out, pkg)
	c.Dir, c.Env = "..", append(os.Environ(), "CGO_ENABLED=0")
	return c.CombinedOutput()
}
