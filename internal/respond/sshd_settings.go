package respond

import (
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// sshdRootLogin lets root in with a key only.
var sshdRootLogin = editing[sshdSetting]{
	name: "sshd.root-login", phase: Harden, plan: planRootLogin, shared: true,
	path: sshdSetting.file, find: findSetting, then: reloadSSHD, done: sshdSetting.done,
}.action()

// sshdKeysCommand stops sshd from asking a program who may log in.
var sshdKeysCommand = editing[sshdSetting]{
	name: "sshd.keys-command", phase: Harden, plan: planKeysCommand, shared: true,
	path: sshdSetting.file, find: findSetting, then: reloadSSHD, done: sshdSetting.done,
}.action()

// sshdDefault makes a line that weakens sshd a comment: what its package ships
// takes its place.
var sshdDefault = editing[sshdSetting]{
	name: "sshd.default", phase: Harden, plan: planSSHDDefault, shared: true,
	path: sshdSetting.file, find: findSetting, then: reloadSSHD, done: sshdSetting.done,
}.action()

// weakens are settings of which every package ships another value.
var weakens = map[string]string{
	"permitemptypasswords": "yes", "strictmodes": "no", "permituserenvironment": "yes",
	"hostbasedauthentication": "yes", "ignorerhosts": "no",
}

func planSSHDDefault(m *Making, f *judge.Finding) {
	s := m.sshdOf(f)
	if s == nil {
		return
	}
	for _, set := range s.Settings {
		if weak, ok := weakens[set.Name]; !ok || set.Value != weak || set.From != "file" {
			continue
		}
		st := m.addSSHD("sshd.default", f, s, set, "")
		st.What = i18n.M("step.sshd.default", "path", set.Origin.Path.String(), "line", set.Origin.Line, "name", set.Name, "value", set.Value)
		st.Breaks = []i18n.Message{i18n.M("breaks.sshd.default." + set.Name)}
	}
}

func (w sshdSetting) done([]lineEdit) i18n.Message {
	return i18n.M("done.sshd", "name", w.Name, "path", w.File.String(), "line", w.Line)
}

// planRootLogin wants proof that root can log in with a key: somebody has.
func planRootLogin(m *Making, f *judge.Finding) {
	s := m.sshdOf(f)
	if s == nil {
		return
	}
	set := s.Setting("permitrootlogin")
	key := m.usedKey("root")
	switch {
	case set.From != "file":
		m.leaveOnce("left.sshd.not-in-file", "name", set.Name, "value", set.Value, "from", set.From)
	case key == nil || s.Setting("pubkeyauthentication").Value != "yes":
		m.leaveOnce("refuse.sshd.no-key-login", "account", "root")
	default:
		st := m.addSSHD("sshd.root-login", f, s, set, "prohibit-password")
		st.What = i18n.M("step.sshd.root-login", "path", set.Origin.Path.String(), "line", set.Origin.Line, "from", set.Value)
		st.Breaks = []i18n.Message{i18n.M("breaks.sshd.root-login", "key", key.Fingerprint, "comment", key.Comment, "time", key.Used[0].Time, "from", key.Used[0].From)}
	}
}

// planKeysCommand takes out each line that names the program.
func planKeysCommand(m *Making, f *judge.Finding) {
	s := m.sshdOf(f)
	if s == nil {
		return
	}
	program, _ := f.Message.Args["program"].(string)
	for _, set := range s.Settings {
		name := set.Name[strings.LastIndexByte(set.Name, ' ')+1:]
		first, _, _ := strings.Cut(set.Value, " ")
		switch {
		case name != "authorizedkeyscommand" || program == "" || first != program:
		case set.From != "file":
			m.leaveOnce("left.sshd.not-in-file", "name", name, "value", set.Value, "from", set.From)
		case m.cameByCommand():
			m.leaveOnce("refuse.sshd.session-by-command", "program", program)
		default:
			set.Name = name
			st := m.addSSHD("sshd.keys-command", f, s, set, "")
			st.What = i18n.M("step.sshd.keys-command", "path", set.Origin.Path.String(), "line", set.Origin.Line, "program", program)
			st.Breaks = []i18n.Message{i18n.M("breaks.sshd.keys-command", "program", program)}
		}
	}
}

// sshdOf is the sshd that a finding is about, if its files can be changed: what
// goes wrong must be put back at a reboot too, and systemd is who does that.
func (m *Making) sshdOf(f *judge.Finding) *fact.Service {
	s := m.X.Service(f.Subject)
	if s == nil || s.Name != "sshd" || f.Trial {
		return nil
	}
	if p := m.X.PID(1); p == nil || p.Comm != "systemd" {
		m.leaveOnce("refuse.sshd.no-boot-revert", "path", s.Config.String())
		return nil
	}
	return s
}

func (m *Making) addSSHD(do string, f *judge.Finding, s *fact.Service, set fact.Setting, to string) *Step {
	with := sshdSetting{Config: s.Config, File: set.Origin.Path, Line: set.Origin.Line, Name: set.Name, From: set.Value, To: to}
	if p := m.X.Process(s.Process); p != nil {
		with.Daemon = sshDaemon{PID: p.PID, Start: p.StartTicks, Exe: p.Exe, Unit: p.Unit, Ports: s.Ports, Boot: m.X.S.Host.Boot}
	}
	return m.Add(Step{
		Do: do, Phase: Harden, On: []fact.Ref{s.Ref}, Target: set.Origin.Path.String() + ":" + set.Name, Because: []string{f.ID},
		Group: "sshd", Revert: m.Req.revert(), Lasting: true, Back: i18n.M("back.sshd"),
	}, with)
}

// cameByCommand: the operator logged in with a key that stands in no file, so
// the command may have given it.
func (m *Making) cameByCommand() bool {
	op := m.Scan.Operator
	for i := range m.X.S.Log {
		e := &m.X.S.Log[i]
		if e.Kind != "ssh-accepted" || e.Key == "" || !(op.Peer != "" && e.From == op.Peer || op.SSHD != 0 && m.isSession(e.PID)) {
			continue
		}
		if !slices.ContainsFunc(m.X.S.Key, func(k fact.Key) bool { return k.Fingerprint == e.Key }) {
			return true
		}
	}
	return false
}
