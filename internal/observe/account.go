package observe

import (
	"context"

	"demine/internal/fact"
	"demine/internal/format/passwd"
)

var account = &Observer{
	Name:  "account",
	Doc:   "accounts, their homes and shells; whether a password is set, never the hash",
	Sees:  []string{fact.KindAccount},
	Reads: []string{"/etc/passwd", "/etc/shadow"},
	See:   seeAccounts,
}

func seeAccounts(_ context.Context, v *View, _ *fact.Snapshot, _ Scope) (Part, error) {
	var p Part
	b, _, err := v.ReadFile("/etc/passwd", 8<<20)
	if err != nil {
		return p, err
	}
	p.Account = passwd.Passwd(b)
	b, _, err = v.ReadFile("/etc/shadow", 8<<20)
	p.gap("/etc/shadow", err)
	state := passwd.Shadow(b)
	for i := range p.Account {
		a := &p.Account[i]
		a.Ref = fact.AccountRef(a.Name)
		a.Origin.Path = "/etc/passwd"
		if a.Password == "" {
			a.Password = state[a.Name]
		}
		if a.Password == "" {
			a.Password = "unknown"
		}
	}
	return p, nil
}
