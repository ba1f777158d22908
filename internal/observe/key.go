package observe

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/authorizedkeys"
)

var key = &Observer{
	Name:  "key",
	Doc:   "public keys that may log in to each account, when each was last used, and whether the cloud gave it to the host (cloud-init)",
	Sees:  []string{fact.KindKey},
	Needs: []string{"account", "sshd", "log"},
	Reads: []string{
		"/run/cloud-init/instance-data.json", "/var/lib/cloud/instance/user-data.txt", "/var/lib/cloud/instance/vendor-data.txt",
	},
	Follows: []string{fact.KindAccount, fact.KindService},
	See:     seeKeys,
}

const (
	maxKeyFile  = 8 << 20
	maxKeys     = 5000 // of one host
	maxAccounts = 5000
	maxUses     = 5 // of one key that are kept
)

func seeKeys(ctx context.Context, v *View, in *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	patterns := keyPatterns(in)
	used := keyUses(in)
	seen := map[fact.FileID]bool{}
	for _, a := range loginsFirst(in.Account) {
		if ctx.Err() != nil || len(p.Key) >= maxKeys {
			p.Gaps = append(p.Gaps, fact.Gap{Code: "too-many", What: "keys"})
			break
		}
		for _, pat := range patterns {
			if f, ok := keyFile(pat, a); ok {
				v.Allow(f)
				p.keys(v, f, a.Name, used, seen)
			}
		}
	}
	cloud := p.givenKeys(v)
	for i := range p.Key {
		if cloud[p.Key[i].Fingerprint] {
			p.Key[i].Provisioned = "cloud-init"
		}
	}
	return p, ctx.Err()
}

// loginsFirst sorts accounts so that one that lets in comes before another one
// with the same home; a file of keys counts once.
func loginsFirst(as []fact.Account) []fact.Account {
	as = slices.Clone(as[:min(len(as), maxAccounts)])
	slices.SortStableFunc(as, func(a, b fact.Account) int {
		switch {
		case a.Login == b.Login:
			return 0
		case a.Login:
			return -1
		}
		return 1
	})
	return as
}

// keyPatterns are the values of AuthorizedKeysFile of every sshd and of its
// Match blocks.
func keyPatterns(in *fact.Snapshot) []string {
	var out []string
	for i := range in.Service {
		s := &in.Service[i]
		if s.Name != "sshd" {
			continue
		}
		for _, x := range s.Settings {
			if x.Name == "authorizedkeysfile" || strings.HasPrefix(x.Name, "match ") && strings.HasSuffix(x.Name, " authorizedkeysfile") {
				out = append(out, strings.Fields(x.Value)...)
			}
		}
	}
	if out == nil {
		out = []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// keyFile fills in a pattern (sshd_config(5), AuthorizedKeysFile and TOKENS).
func keyFile(pattern string, a fact.Account) (fact.Path, bool) {
	if pattern == "none" || a.Home == "" || strings.Contains(a.Name, "/") {
		return "", false
	}
	f := strings.NewReplacer("%%", "%", "%h", string(a.Home), "%u", a.Name, "%U", strconv.Itoa(a.UID)).Replace(pattern)
	if !strings.HasPrefix(f, "/") {
		f = string(a.Home) + "/" + f
	}
	return fact.Path(path.Clean(f)), strings.HasPrefix(f, "/")
}

// keys adds the keys of one file. Bytes of a Redis dump around them do not
// disturb sshd, which skips what is no key.
func (p *Part) keys(v *View, f fact.Path, account string, used map[string][]fact.LogEvent, seen map[fact.FileID]bool) {
	b, info, ok := p.read(v, f, maxKeyFile)
	if !ok || seen[info.ID] {
		return
	}
	seen[info.ID] = true
	mark, entries := dump(b)
	lines := bytes.Split(b, []byte{'\n'})
	for _, e := range authorizedkeys.Parse(b) {
		if len(p.Key) >= maxKeys {
			return
		}
		k := fact.Key{
			Ref: fact.KeyRef(f, e.Fingerprint), Account: account, Type: e.Type, Fingerprint: e.Fingerprint,
			Comment: shown(e.Comment), Options: e.Options, Origin: fact.Origin{Path: f, Line: e.Line},
			Mode: info.Mode, Modified: info.Modified, RDB: withKey(mark, entries, fact.Text(lines[max(0, e.Line-1)])),
		}
		for _, u := range used[e.Fingerprint] {
			k.UsesSeen += max(1, u.Count)
			k.FirstUsed = u.Time // they are sorted
			if len(k.Used) < maxUses {
				k.Used = append(k.Used, fact.KeyUse{Time: u.Time, From: u.From, Origin: u.Origin})
			}
		}
		p.Key = append(p.Key, k)
	}
}

// keyUses are the logins by key, newest first.
func keyUses(in *fact.Snapshot) map[string][]fact.LogEvent {
	out := map[string][]fact.LogEvent{}
	for _, e := range in.Log {
		if e.Kind == "ssh-accepted" && e.Key != "" {
			out[e.Key] = append(out[e.Key], e)
		}
	}
	for _, u := range out {
		slices.SortStableFunc(u, func(a, b fact.LogEvent) int { return b.Time.Compare(a.Time) })
	}
	return out
}
