package respond

import (
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/judge"
)

// isOperators: the operator's own session may have been opened with the key.
// Its login is looked for by the process that holds the connection, and by the
// address, which a bastion may share: then one key too many is spared.
func (m *Making) isOperators(k *fact.Key) bool {
	op := m.Scan.Operator
	for i := range m.X.S.Log {
		e := &m.X.S.Log[i]
		if e.Kind == "ssh-accepted" && e.Key == k.Fingerprint && (op.Peer != "" && e.From == op.Peer || op.SSHD != 0 && m.isSession(e.PID)) {
			return true
		}
	}
	return op.Peer != "" && slices.ContainsFunc(k.Used, func(u fact.KeyUse) bool { return u.From == op.Peer })
}

// isSession: the process is the operator's sshd or an ancestor of it that is no
// listener: sshd logs the login in the one that keeps its rights.
func (m *Making) isSession(pid int) bool {
	p := m.X.PID(m.Scan.Operator.SSHD)
	if p == nil || pid == 0 {
		return false
	}
	for _, q := range append(m.X.Ancestors(p), p) {
		if q.PID == pid && pid != 1 && m.X.ServiceOf(q) == nil {
			return true
		}
	}
	return false
}

// needsKey: nothing but a key lets in to an account, as far as can be seen.
func (m *Making) needsKey(account string) bool {
	for i := range m.X.S.Account {
		if a := &m.X.S.Account[i]; a.Name == account && a.Password == "set" {
			return !m.takesPasswords(account)
		}
	}
	return true
}

// takesPasswords: an sshd is known to take a password for the account.
func (m *Making) takesPasswords(account string) bool {
	for _, s := range m.sshds() {
		on := func(name string) bool { return s.Setting(name).Value == "yes" }
		methods := s.Setting("authenticationmethods").Value
		if len(s.Gaps) == 0 && (on("passwordauthentication") || on("kbdinteractiveauthentication") && on("usepam")) &&
			(methods == "" || methods == "any") && (account != "root" || on("permitrootlogin")) {
			return true
		}
	}
	return false
}

func (m *Making) sshds() []*fact.Service {
	var out []*fact.Service
	for i := range m.X.S.Service {
		if s := &m.X.S.Service[i]; s.Name == "sshd" {
			out = append(out, s)
		}
	}
	return out
}

// keysElsewhere counts the keys of the same account in other files that nothing
// is said against.
func (m *Making) keysElsewhere(k *fact.Key) int {
	n := 0
	for i := range m.X.S.Key {
		if o := &m.X.S.Key[i]; o.Account == k.Account && o.Origin.Path != k.Origin.Path && !m.isAccused(o) {
			n++
		}
	}
	return n
}

// isAccused: an attack finding is about the key.
func (m *Making) isAccused(k *fact.Key) bool {
	return slices.ContainsFunc(m.Scan.Findings, func(f judge.Finding) bool {
		return f.Subject == k.Ref && f.Class == judge.Attack
	})
}

// usedKey gives a key of the account that somebody logged in with and nothing
// is said against, or nil.
func (m *Making) usedKey(account string) *fact.Key {
	for i := range m.X.S.Key {
		k := &m.X.S.Key[i]
		if k.Account == account && len(k.Used) > 0 && !m.isAccused(k) && !strings.Contains(strings.Join(k.Options, ","), "command=") {
			return k
		}
	}
	return nil
}
