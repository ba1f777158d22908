package respond

import (
	"bytes"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/authorizedkeys"
	"demine/internal/format/rdb"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// keyRemoveLine takes foreign keys out of an authorized_keys file. One that
// Redis wrote is made anew of the keys that stay.
var keyRemoveLine = editing[foreignKeys]{
	name: "key.remove-line", phase: Repair, plan: planKeys,
	path: func(w foreignKeys) fact.Path { return w.Path },
	find: findKeys,
	done: func(w foreignKeys, _ []lineEdit) i18n.Message {
		return i18n.M("done.key.remove", "n", len(w.Keys), "path", w.Path.String())
	},
}.action()

// foreignKeys are keys of one file, by fingerprint.
type foreignKeys struct {
	Path    fact.Path `json:"path"`
	Account string    `json:"account"`
	Keys    []string  `json:"keys"`
	Only    bool      `json:"only,omitempty"`  // without a key nobody can log in to the account
	Other   int       `json:"other,omitempty"` // keys of the account in other files
}

// planKeys removes a key whose origin is known: Redis wrote it, or it runs what
// it fetches. A key that is only foreign is told, not touched.
func planKeys(m *Making, f *judge.Finding) {
	k := m.X.Key(f.Subject)
	if k == nil || f.Trial {
		return
	}
	switch {
	case !m.isForeign(k, f):
		m.leaveOnce("left.key.unsure", m.keyWords(k)...)
		return
	case m.isOperators(k):
		m.leaveOnce("refuse.key.operator", m.keyWords(k)...)
		return
	}
	with := foreignKeys{Path: k.Origin.Path, Account: k.Account, Only: m.needsKey(k.Account), Other: m.keysElsewhere(k)}
	target := k.Origin.Path.String()
	if old := m.Find("key.remove-line", target); old != nil {
		was, _ := decode[foreignKeys](old.With)
		with.Keys = was.Keys
	}
	with.Keys = union(with.Keys, []string{k.Fingerprint})
	s := m.Add(Step{
		Do: "key.remove-line", Phase: Repair, On: []fact.Ref{k.Ref}, Target: target, Because: []string{f.ID},
		Back: i18n.M("back.key"), Keeps: KeepsImplant,
	}, with)
	s.With = encode(with)
	s.What = i18n.M("step.key.remove", "n", len(with.Keys), "account", k.Account, "path", target, "keys", with.Keys)
	if k.RDB != nil {
		s.What.ID = "step.key.rebuild"
	}
	s.Breaks = []i18n.Message{i18n.M("breaks.key", "account", with.Account)}
	s.Notes = m.keysThatStay(with)
}

// isForeign: provenance speaks against the key, surely enough. A key that the
// rule only holds for possible is not removed unless asked for by name.
func (m *Making) isForeign(k *fact.Key, f *judge.Finding) bool {
	switch {
	case f.Certainty == judge.Confirmed, slices.Contains(m.Req.Findings, f.ID):
		return true
	case f.Certainty != judge.Likely:
		return false
	case f.Rule == "access/key-runs-fetcher":
		return true
	}
	return k.RDB != nil && m.inConfirmed(f.ID)
}

func (m *Making) inConfirmed(finding string) bool {
	for i := range m.Scan.Incidents {
		in := &m.Scan.Incidents[i]
		if in.Certainty == judge.Confirmed && slices.Contains(in.Findings, finding) {
			return true
		}
	}
	return false
}

// keysThatStay says of each when and whence it was last used.
func (m *Making) keysThatStay(w foreignKeys) []i18n.Message {
	var out []i18n.Message
	for i := range m.X.S.Key {
		k := &m.X.S.Key[i]
		if k.Origin.Path != w.Path || slices.Contains(w.Keys, k.Fingerprint) {
			continue
		}
		id := "breaks.key.stays-unused"
		args := m.keyWords(k)
		if len(k.Used) > 0 {
			id = "breaks.key.stays"
			args = append(args, "time", k.Used[0].Time, "from", k.Used[0].From)
		}
		out = append(out, i18n.M(id, args...))
	}
	return out
}

func (m *Making) keyWords(k *fact.Key) []any {
	return []any{"key", k.Fingerprint, "comment", k.Comment, "account", k.Account, "path", k.Origin.Path.String(), "line", k.Origin.Line}
}

// findKeys gives the lines of the keys, or of a dump all lines but those of the
// keys that stay.
func findKeys(_ *host.Host, w foreignKeys, p fact.Path, content []byte) ([]lineEdit, error) {
	lines := splitLines(content)
	_, dump := rdb.Header(content)
	drop, stay := map[int]bool{}, map[int]bool{}
	for _, e := range authorizedkeys.Parse(content) {
		if !slices.Contains(w.Keys, e.Fingerprint) {
			stay[e.Line] = true
			continue
		}
		if holdsAnother(lines[e.Line-1], e) {
			return nil, Refuse("refuse.key.shares-line", "key", e.Fingerprint, "path", p.String(), "line", e.Line)
		}
		drop[e.Line] = true
	}
	switch {
	case len(drop) == 0:
		return nil, ErrNothing
	case len(stay)+w.Other == 0 && w.Only:
		return nil, Refuse("refuse.key.last", "account", w.Account, "path", p.String())
	}
	var out []lineEdit
	for i, line := range lines {
		e := lineEdit{N: i + 1, SHA256: sumHex(line)}
		switch {
		case drop[i+1], dump && !stay[i+1]:
		case dump && !bytes.Equal(line, keyLine(line)):
			e.Instead = keyLine(line)
		default:
			continue
		}
		out = append(out, e)
	}
	return out, nil
}

// keyLine is what sshd reads of a line, with its end.
func keyLine(line []byte) []byte {
	line, _, _ = bytes.Cut(line, []byte{0})
	return append(bytes.Trim(bytes.Clone(line), " \t\r\n"), '\n')
}

// holdsAnother: a second key stands behind the first, in its comment. sshd does
// not see it, but somebody meant it to be one.
func holdsAnother(line []byte, first authorizedkeys.Entry) bool {
	rest := strings.FieldsFunc(string(keyLine(line)), func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	for i := range rest {
		for _, e := range authorizedkeys.Parse([]byte(strings.Join(rest[i:], " "))) {
			if e.Fingerprint != first.Fingerprint {
				return true
			}
		}
	}
	return false
}
