package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/respond"
)

// Sentences of actions, as the actions of package respond have their own.
var sentences = map[string][2]string{
	"t.door": {"Shut port {port:int} (Redis) for all but {n:int} kept sources",
		"对外关闭端口 {port:int}（Redis），保留 {n:int} 个来源"},
	"t.door.cut": {"{peer} is connected and will be cut; --keep {peer} keeps it", "{peer} 正连着，将被切断；加 --keep {peer} 可保留"},
	"t.door.cloud": {"I cannot see the cloud security group: check port {port:int} there",
		"云安全组我看不到，请到控制台核对 {port:int}"},
	"t.freeze":   {"Freeze {n:int} processes of {exe:path}", "冻结 {exe:path} 的 {n:int} 个进程"},
	"t.evidence": {"Keep code, maps and sockets of {exe:path} as evidence", "留存 {exe:path} 的代码、内存映射与连接作为证据"},
	"t.disarm": {"Disarm Redis {port:int}: dir back to {dir:path}, planted keys {keys:list} out",
		"解除 Redis {port:int}：dir 改回 {dir:path}，移除植入的键 {keys:list}"},
	"t.disarm.save": {"saves are off until its data is known to be whole", "确认数据完整之前不再自动保存"},
	"t.disarm.back": {"keys and settings as they were", "键和设置恢复原样"},
	"t.kill":        {"End {n:int} processes of {exe:path}", "结束 {exe:path} 的 {n:int} 个进程"},
	"t.quarantine":  {"Take {path:path} away into quarantine", "把 {path:path} 移入隔离区"},
	"t.key":         {"Remove the key {fingerprint} from {path:path}", "从 {path:path} 移除密钥 {fingerprint}"},
	"t.key.rest": {"{n:int} other key stays; it was last used {at:time} from {from}",
		"其余 {n:int} 个密钥保留，最近一次使用：{at:time}，来自 {from}"},
	"t.close":      {"Delete the rule \"{rule}\"", "删除规则“{rule}”"},
	"t.close.who":  {"nobody uses it from outside now", "目前没有外部来源在使用"},
	"t.saved":      {"Delete it from {path:path}:{line:int} too", "同时从 {path:path}:{line:int} 删除"},
	"t.root-login": {"Let root log in with a key only ({path:path}:{line:int})", "root 只许用密钥登录（{path:path}:{line:int}）"},
	"t.reload":     {"Let sshd read its settings again", "让 sshd 重新读取设置"},
	"t.left":       {"{path:path}:{line:int} stays: {why}", "{path:path}:{line:int} 不动：{why}"},
	"t.left.redis": {"Redis keeps running as root: demine harden changes that", "Redis 仍以 root 运行：由 demine harden 处理"},
	"t.stopped":    {"{n:int} processes stopped in {ms:int} ms", "{ms:int} 毫秒内停住 {n:int} 个进程"},
	"t.kept":       {"{size:bytes} kept as {id}", "已留存 {size:bytes}，编号 {id}"},
	"t.guard":      {"it would be the last key that lets in {account}", "这是 {account} 能登录的最后一个密钥"},
}

func speaking(lang string) *i18n.Catalogue {
	c := i18n.Load(lang)
	for id, text := range sentences {
		if lang == i18n.Chinese {
			c.Add(id, text[1])
		} else {
			c.Add(id, text[0])
		}
	}
	return c
}

var (
	cst  = time.FixedZone("CST", 8*3600)
	made = time.Date(2026, 11, 21, 19, 38, 2, 0, cst)
)

const boot = "8f2c11aa-0000-4000-8000-000000000000"

// seed is the plan of the incident that demine was born from.
func seed() respond.Plan {
	miner := []fact.Ref{"process:8f2c11aa/13343@8123456"}
	exe, m := "/var/tmp/minerd", i18n.M
	steps := []respond.Step{
		{Do: "door.shut", Phase: respond.Door, Target: "tcp 0.0.0.0:6380", Keeps: respond.KeepsDoor, What: m("t.door", "port", 6380, "n", 4),
			Breaks: []i18n.Message{m("t.door.cut", "peer", "203.0.113.7"), m("t.door.cloud", "port", 6380)}},
		{Do: "process.freeze", Phase: respond.Freeze, On: miner, Target: exe, Keeps: respond.KeepsImplant, What: m("t.freeze", "n", 3, "exe", exe)},
		{Do: "evidence.process", Phase: respond.Evidence, On: miner, Target: exe, What: m("t.evidence", "exe", exe)},
		{Do: "redis.disarm", Phase: respond.Disarm, Target: "redis 6380", Keeps: respond.KeepsImplant,
			What:   m("t.disarm", "port", 6380, "dir", "/var/lib/redis", "keys", []string{"x", "y"}),
			Breaks: []i18n.Message{m("t.disarm.save")}, Back: m("t.disarm.back")},
		{Do: "process.kill", Phase: respond.Kill, On: miner, Target: exe, NoUndo: true, What: m("t.kill", "n", 3, "exe", exe)},
		{Do: "file.quarantine", Phase: respond.Remove, Target: exe, Keeps: respond.KeepsImplant, What: m("t.quarantine", "path", exe)},
		{Do: "file.quarantine", Phase: respond.Remove, Target: "/var/spool/cron/root", Keeps: respond.KeepsImplant,
			What: m("t.quarantine", "path", "/var/spool/cron/root"), After: []int{4}},
		{Do: "key.remove-line", Phase: respond.Repair, Target: "/root/.ssh/authorized_keys", Keeps: respond.KeepsImplant,
			What:   m("t.key", "path", "/root/.ssh/authorized_keys", "fingerprint", "SHA256:SIh4YXNx5ze7llaST5022LjSn3SkabeAwno8tokg8v4"),
			Breaks: []i18n.Message{m("t.key.rest", "n", 1, "at", made.AddDate(0, 0, -1), "from", "198.51.100.20")}},
	}
	return numbered(respond.Plan{Kind: respond.KindClean, Steps: steps,
		Left: []i18n.Message{m("t.left", "path", "/etc/cron.d/deploy", "line", 3, "why", m("t.guard", "account", "deploy")), m("t.left.redis"), m("t.left.redis")},
		Spared: []i18n.Message{m("spared.process", "name", "java", "pid", 2211), m("spared.process", "name", "mysqld", "pid", 1404),
			m("spared.process", "name", "redis-server", "pid", 902), m("spared.operator", "peer", "198.51.100.20")}})
}

// closing is a plan whose steps undo themselves, stand together, or wait.
func closing() respond.Plan {
	m := i18n.M
	rule := "-A INPUT -p tcp -m tcp --dport 6380 -j ACCEPT"
	steps := []respond.Step{
		{Do: "firewall.close", Phase: respond.Harden, Target: "INPUT 5", Keeps: respond.KeepsDoor, Revert: 300,
			What: m("t.close", "rule", rule), Breaks: []i18n.Message{m("t.close.who")}},
		{Do: "firewall.close-saved", Phase: respond.Harden, Target: "/etc/iptables/rules.v4", Keeps: respond.KeepsDoor, OnConfirm: true,
			What: m("t.saved", "path", "/etc/iptables/rules.v4", "line", 9)},
		{Do: "sshd.root-login", Phase: respond.Harden, Target: "/etc/ssh/sshd_config", Revert: 300, Group: "sshd",
			What: m("t.root-login", "path", "/etc/ssh/sshd_config", "line", 33)},
		{Do: "sshd.reload", Phase: respond.Harden, Target: "sshd", Revert: 300, Group: "sshd", What: m("t.reload")},
	}
	return numbered(respond.Plan{Kind: respond.KindHarden, Steps: steps, Spared: []i18n.Message{m("spared.session")}})
}

func numbered(p respond.Plan) respond.Plan {
	p.Schema, p.ID, p.Host, p.Boot, p.Scan, p.Made = fact.SchemaVersion, "P-9c41d2e0", "shop01", boot, "S-20261121T193802-8f2c", made
	for i := range p.Steps {
		p.Steps[i].ID = i + 1
		p.Steps[i].With = json.RawMessage(`{"exe":"/var/tmp/minerd"}`)
	}
	return p
}

// stopping is what contain would do.
func stopping() respond.Plan {
	p := seed()
	p.Kind, p.Left, p.Steps = respond.KindContain, nil, p.Steps[:2]
	return p
}

// nothing is a plan without steps.
func nothing() respond.Plan {
	p := seed()
	p.Steps = nil
	p.Left = []i18n.Message{i18n.M("left.not-confirmed", "incident", "I-a1000001")}
	return p
}

// hostile has every word of the host trying to be a command.
func hostile() respond.Plan {
	p := seed()
	evil := "/var/tmp/\x1b[2J\x1b[31mNOTHING FOUND\n\u202e\u200b\u009b1m\xff" + strings.Repeat("A", 120)
	p.Host, p.Kind, p.ID = "shop\x1b]0;x\x07", "cl\u202eean", "P-\x1b[8m"
	p.Steps[1].What = i18n.M("t.freeze", "n", 3, "exe", evil)
	p.Steps[2].Phase = "\x1b[5mnew"
	p.Steps[3].Breaks = []i18n.Message{i18n.M("t.unknown\x1b", "x\x1b", evil)}
	p.Steps[5].Back = i18n.M("t.quarantine", "path", evil)
	p.Spared = append(p.Spared, i18n.M("spared.process", "name", evil, "pid", 1))
	p.Left = append(p.Left, i18n.M("t.left", "path", evil, "line", 1, "why", evil))
	return p
}

var operator = respond.Operator{UID: 0, Peer: "198.51.100.20", Session: "process:8f2c11aa/2701@8120000", PID: 14001, Version: "0.2.0"}

// run makes a Run of what a journal says: states in the order of the steps.
func run(id string, p respond.Plan, ended bool, change func(o []respond.Outcome), states ...string) respond.Run {
	r := respond.Run{ID: id, Plan: p, By: operator, Began: made.Add(40 * time.Second)}
	for i, s := range p.Steps {
		o := respond.Outcome{Step: s.ID, State: states[min(i, len(states)-1)], At: r.Began.Add(time.Duration(i) * time.Second)}
		if o.State == respond.Done && s.Revert > 0 {
			o.Until = o.At.Add(time.Duration(s.Revert) * time.Second)
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	if change != nil {
		change(r.Outcomes)
	}
	rs := []respond.Record{{Kind: respond.RecBegin, At: r.Began, Plan: &p, By: &r.By}}
	for _, o := range r.Outcomes {
		if o.State != notBegun {
			rs = append(rs, respond.Record{Kind: respond.RecIntend, At: o.At, Step: o.Step, Undo: json.RawMessage("{}")},
				respond.Record{Kind: respond.RecOutcome, At: o.At, Step: o.Step, Outcome: &o})
		}
	}
	// What a failed group puts back says so; anything else was undone by hand.
	if slices.ContainsFunc(r.Outcomes, func(o respond.Outcome) bool { return o.State == respond.Undone && o.Detail.ID == "" }) {
		rs = append(rs, respond.Record{Kind: respond.RecUndo, At: r.Began.Add(time.Minute)})
	}
	if ended {
		rs = append(rs, respond.Record{Kind: respond.RecEnd, At: r.Began.Add(9 * time.Second)})
	}
	return respond.Fold(id, rs)
}

func runs() map[string]respond.Run {
	done := func(o []respond.Outcome) {
		o[1].Detail = i18n.M("t.stopped", "n", 3, "ms", 14)
		o[2].Detail = i18n.M("t.kept", "size", 6<<20, "id", "B4")
	}
	confirmed := run("R9", closing(), true, nil, respond.Done)
	confirmed.Confirmed, confirmed.State = made.Add(2*time.Minute), respond.RunDone
	plain := seed() // its last step comes back with a plain undo
	plain.Steps[7].Keeps = ""
	return map[string]respond.Run{
		"done": run("R7", seed(), true, done, respond.Done, respond.Done, respond.Done, respond.Done, respond.Nothing, respond.Done),
		"partly": run("R7", seed(), true, func(o []respond.Outcome) {
			done(o)
			o[3].Error = "redis 6380: dial tcp 127.0.0.1:6380: connect: connection refused"
			o[5].Error = respond.ErrDrifted.Error()
			o[6].Detail = i18n.M("outcome.after", "step", 4)
			o[7].Detail = i18n.M("t.guard", "account", "root")
		}, respond.Done, respond.Done, respond.Done, respond.Failed, respond.Done, respond.Drifted, respond.Skipped, respond.Refused),
		"undone":        run("R7", seed(), true, nil, respond.Undone),
		"undone-partly": run("R7", plain, true, nil, respond.Done, respond.Undone, respond.Undone, respond.Undone, respond.Done),
		"undone-left":   run("R7", plain, true, nil, respond.Done, respond.Done, respond.Undone, respond.Done, respond.Done, respond.Done, respond.Done, respond.Undone),
		"rolled-back": run("R8", closing(), true, func(o []respond.Outcome) {
			o[0].Detail = i18n.M("outcome.rolled-back", "step", 4)
			o[2].Detail = o[0].Detail
			o[3].Error = "sshd: read-only file system"
		}, respond.Undone, respond.Skipped, respond.Undone, respond.Failed),
		"unconfirmed": run("R8", closing(), true, nil, respond.Done, respond.Waiting, respond.Done, respond.Done),
		"waiting":     run("R8", closing(), true, nil, respond.Nothing, respond.Waiting, respond.Nothing, respond.Nothing),
		"confirmed":   confirmed,
		"running":     run("R7", seed(), false, nil, respond.Done, respond.Done, respond.Intended, notBegun),
		"hostile": run("R\x1b7", hostile(), true, func(o []respond.Outcome) {
			o[1].Error, o[2].State = "\x1b[2J\u202e\xff"+strings.Repeat("x ", 900), "\x1b[31mdone"
			o[3].Detail = i18n.M("t.guard", "account", "\u2066root\x00")
		}, respond.Done, respond.Failed, respond.Done),
	}
}

// options are those of a host in China, a minute after the plan was made.
func options(lang string) Options {
	return Options{Catalogue: speaking(lang), Now: made.Add(time.Minute)}
}

// changes are the texts for people of this package about changes, by name.
func changes() map[string]func(io.Writer, Options) error {
	out := map[string]func(io.Writer, Options) error{}
	for name, p := range map[string]respond.Plan{"seed": seed(), "closing": closing(), "stopping": stopping(), "nothing": nothing(), "hostile": hostile()} {
		out["plan."+name] = func(w io.Writer, o Options) error { return Plan(w, &p, o) }
	}
	for name, r := range runs() {
		out["run."+name] = func(w io.Writer, o Options) error { return Run(w, &r, o) }
	}
	out["history"] = func(w io.Writer, o Options) error { return Runs(w, history(), o) }
	out["history.none"] = func(w io.Writer, o Options) error { return Runs(w, nil, o) }
	out["progress"] = func(w io.Writer, o Options) error {
		for _, r := range []string{"partly", "unconfirmed", "hostile"} {
			run := runs()[r]
			for i, s := range run.Plan.Steps {
				o1 := Progress(respond.Progress{Run: run.ID, Step: s, N: i + 1, Of: len(run.Plan.Steps)}, o)
				o2 := Progress(respond.Progress{Run: run.ID, Step: s, Outcome: &run.Outcomes[i], N: i + 1, Of: len(run.Plan.Steps)}, o)
				fmt.Fprintf(w, "%s\n%s\n", o1, o2)
			}
		}
		return nil
	}
	return out
}

func history() []respond.Run {
	var rs []respond.Run
	for i, name := range []string{"done", "partly", "rolled-back", "unconfirmed", "undone", "running", "hostile"} {
		r := runs()[name]
		r.Began = made.Add(time.Duration(i-6) * 5 * time.Hour)
		if name != "hostile" {
			r.ID = fmt.Sprintf("R%d", i+1)
		}
		rs = append(rs, r)
	}
	rs[1].By = respond.Operator{UID: 1000}
	rs[3].Plan.Command = "lease adopt O-1a2b3c4d"
	rs[2].By.Peer = "2001:db8:1234:5678:9abc:def0:1234:5678"
	return rs
}

func TestChangesGolden(t *testing.T) {
	for name, write := range changes() {
		for _, lang := range []string{i18n.English, i18n.Chinese} {
			t.Run(name+"."+lang, func(t *testing.T) {
				var b bytes.Buffer
				if err := write(&b, options(lang)); err != nil {
					t.Fatal(err)
				}
				shown(t, b.String(), 80)
				golden(t, name+"."+lang, b.Bytes())
			})
		}
	}
}

// Every word of the contract has a text of its own.
func TestChangeWords(t *testing.T) {
	ids := []string{}
	for _, ph := range respond.Phases {
		ids = append(ids, "phase."+string(ph))
	}
	for state := range marks {
		if state != overdue && state != respond.Reverting {
			ids = append(ids, "fate."+state)
		}
	}
	for _, state := range []string{respond.RunRunning, respond.RunDone, respond.RunPartly, respond.RunRolledBack, respond.RunUnconfirmed, respond.RunUndone} {
		ids = append(ids, "history.state."+state, "run.head."+state)
	}
	for _, kind := range []string{"process", "autostart", "key", "file"} {
		ids = append(ids, "remains.kind."+kind)
	}
	c := i18n.Load(i18n.English)
	for _, id := range ids {
		if !c.Has(id) {
			t.Errorf("no message %s", id)
		}
	}
}

// How a step is undone is said once, in its own words if it has some.
func TestUndoWay(t *testing.T) {
	o := options(i18n.English)
	o.Catalogue.Add("t.own", "back with --restore-implant: the key")
	p := newChangePrinter(o)
	for _, tt := range []struct {
		name string
		step respond.Step
		want string
	}{
		{"nothing to say", respond.Step{}, ""},
		{"never", respond.Step{NoUndo: true, Keeps: respond.KeepsImplant}, "cannot be undone"},
		{"never, in its own words", respond.Step{NoUndo: true, Back: i18n.M("t.reload")}, "Let sshd read its settings again"},
		{"its own words", respond.Step{Back: i18n.M("t.disarm.back")}, "keys and settings as they were"},
		{"implant", respond.Step{Keeps: respond.KeepsImplant}, "only with --restore-implant"},
		{"door", respond.Step{Keeps: respond.KeepsDoor, Back: i18n.M("t.disarm.back")}, "keys and settings as they were; only with --reopen"},
		{"said already", respond.Step{Keeps: respond.KeepsImplant, Back: i18n.M("t.own")}, "back with --restore-implant: the key"},
	} {
		if got := p.undoWay(&tt.step); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The plan of an ordinary incident fits two screens of a console.
func TestPlanLines(t *testing.T) {
	for _, lang := range []string{i18n.English, i18n.Chinese} {
		var b bytes.Buffer
		p := seed()
		if err := Plan(&b, &p, options(lang)); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n > 40 {
			t.Errorf("%s: %d lines:\n%s", lang, n, b.String())
		}
	}
}

func TestChangesASCIIColourNarrow(t *testing.T) {
	for name, write := range changes() {
		t.Run(name, func(t *testing.T) {
			var plain, painted bytes.Buffer
			o := options(i18n.English)
			o.ASCII = true
			if err := write(&plain, o); err != nil {
				t.Fatal(err)
			}
			shown(t, plain.String(), 80)
			if i := strings.IndexFunc(plain.String(), func(r rune) bool { return r != '\n' && (r < 0x20 || r > 0x7e) }); i >= 0 {
				t.Errorf("not ASCII: %q", plain.String()[i:])
			}
			o.Color = true
			if err := write(&painted, o); err != nil {
				t.Fatal(err)
			}
			bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(painted.String(), "")
			if diff := cmp.Diff(plain.String(), bare); diff != "" {
				t.Errorf("colour changes the text (-plain +painted):\n%s", diff)
			}
			for _, lang := range []string{i18n.English, i18n.Chinese} {
				var narrow bytes.Buffer
				o := options(lang)
				o.Width = 50
				if err := write(&narrow, o); err != nil {
					t.Fatal(err)
				}
				shown(t, narrow.String(), 50)
			}
		})
	}
}

// The commands that a run names are those that undo what it still holds.
func TestRunCommands(t *testing.T) {
	for _, tt := range []struct {
		run         string
		has, hasNot []string
	}{
		{"done", []string{"demine undo R7 --restore-implant", "demine undo R7 --reopen", "demine undo R7 8 --restore-implant"}, []string{"demine keep", "demine undo R7 puts", "step 3"}},
		{"unconfirmed", []string{"demine keep R8", "19:43:42", "in 4 min", "demine undo R8 4"}, []string{"overdue"}},
		{"waiting", []string{"demine keep R8"}, []string{"demine undo R8 "}},
		{"confirmed", []string{"confirmed 19:40:02", "demine undo R9 4"}, []string{"keep", "undoes itself"}},
		{"undone", []string{"Nothing of it is left to undo."}, []string{"demine undo"}},
		{"partly", []string{"connection refused", "last key"}, []string{"says: " + respond.ErrDrifted.Error()}},
	} {
		var b bytes.Buffer
		r := runs()[tt.run]
		if err := Run(&b, &r, options(i18n.English)); err != nil {
			t.Fatal(err)
		}
		flat := strings.Join(strings.Fields(b.String()), " ")
		for _, s := range tt.has {
			if !strings.Contains(flat, s) {
				t.Errorf("%s: no %q in\n%s", tt.run, s, b.String())
			}
		}
		for _, s := range tt.hasNot {
			if strings.Contains(flat, s) {
				t.Errorf("%s: %q in\n%s", tt.run, s, b.String())
			}
		}
	}
}

// contain shows no plan before: its run says what was not touched. The others'
// plan was shown.
func TestRunLeft(t *testing.T) {
	for kind, want := range map[string]bool{respond.KindContain: true, respond.KindClean: false} {
		r := runs()["done"]
		r.Plan.Kind, r.Plan.Left = kind, []i18n.Message{i18n.M("refuse.server", "name", "java", "pid", 812)}
		var b bytes.Buffer
		if err := Run(&b, &r, options(i18n.English)); err != nil || strings.Contains(b.String(), "java") != want {
			t.Errorf("%s: %v\n%s", kind, err, b.String())
		}
	}
}

// Without a clock times are said to be those of UTC; past its time a step that
// waits to undo itself is overdue.
func TestRunClock(t *testing.T) {
	r := runs()["unconfirmed"]
	for _, tt := range []struct {
		now  time.Time
		want string
	}{
		{time.Time{}, "2026-11-21 11:43:42 UTC"},
		{made.Add(time.Hour), "overdue"},
		{made.AddDate(0, 0, 1), "2026-11-21 19:43:42 (overdue)"},
	} {
		var b bytes.Buffer
		if err := Run(&b, &r, Options{Catalogue: speaking(i18n.English), Now: tt.now}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), tt.want) {
			t.Errorf("now %v: no %q in\n%s", tt.now, tt.want, b.String())
		}
	}
}

// Values of an unknown maker, or nothing at all, are told without a panic.
func TestChangesEmpty(t *testing.T) {
	for name, write := range map[string]func(io.Writer) error{
		"harden":   func(w io.Writer) error { return Plan(w, &respond.Plan{Kind: respond.KindHarden}, Options{}) },
		"plan":     func(w io.Writer) error { return Plan(w, &respond.Plan{}, Options{}) },
		"step":     func(w io.Writer) error { return Plan(w, &respond.Plan{Steps: make([]respond.Step, 2)}, Options{}) },
		"run":      func(w io.Writer) error { return Run(w, &respond.Run{}, Options{}) },
		"outcomes": func(w io.Writer) error { return Run(w, &respond.Run{Outcomes: make([]respond.Outcome, 3)}, Options{}) },
		"steps": func(w io.Writer) error {
			return Run(w, &respond.Run{Plan: respond.Plan{Steps: make([]respond.Step, 2)}}, Options{})
		},
		"runs": func(w io.Writer) error { return Runs(w, make([]respond.Run, 2), Options{}) },
		"progress": func(w io.Writer) error {
			_, err := io.WriteString(w, Progress(respond.Progress{}, Options{}))
			return err
		},
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		shown(t, b.String(), 80)
	}
}

// Scripts get the values as they are: no list is null, nothing commands a
// terminal, and they read back the same.
func TestChangesJSON(t *testing.T) {
	for _, p := range []respond.Plan{seed(), closing(), nothing(), hostile()} {
		var b, again bytes.Buffer
		if err := PlanJSON(&b, &p); err != nil {
			t.Fatal(err)
		}
		checkJSON(t, b.Bytes(), "steps")
		var back respond.Plan
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if err := PlanJSON(&again, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(value(t, b.Bytes()), value(t, again.Bytes())); diff != "" {
			t.Errorf("changed on the way (-before +after):\n%s", diff)
		}
	}
	for name, r := range runs() {
		r.Plan.Steps = slices.Clone(r.Plan.Steps)
		r.Plan.Steps[0].Expect = json.RawMessage(`{"torn`)
		var b bytes.Buffer
		if err := RunJSON(&b, &r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkJSON(t, b.Bytes(), "outcomes")
		if name == "unconfirmed" {
			golden(t, "run.json", b.Bytes())
		}
	}
	for _, rs := range [][]respond.Run{nil, history()} {
		var b bytes.Buffer
		if err := RunsJSON(&b, rs); err != nil {
			t.Fatal(err)
		}
		checkJSON(t, b.Bytes(), "runs")
	}
}

func value(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func checkJSON(t *testing.T, b []byte, list string) {
	t.Helper()
	v := value(t, b)
	if v["schema"] != float64(fact.SchemaVersion) {
		t.Errorf("schema %v", v["schema"])
	}
	if _, ok := v[list].([]any); !ok || bytes.Contains(b, []byte(": null")) {
		t.Errorf("%s is no list, or null for one: %s", list, b)
	}
	shown(t, string(b), 1<<20)
}
