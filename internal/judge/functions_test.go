package judge

import (
	"testing"
	"time"

	"demine/internal/fact"
	"demine/internal/relate"
)

func truthOf(t *testing.T, s *fact.Snapshot, when string, it any) truth {
	t.Helper()
	e, err := Compile(when, it, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := Ask(relate.New(s), nil).truth(e, it)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Redis saves again and again, and the dump bears the last time only: a login
// between two saves does not make the intruder's key the owner's.
func TestUsedBeforeTheFirstSave(t *testing.T) {
	day := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	at := func(h int) time.Time { return day.Add(time.Duration(h) * time.Hour) }
	dump := func(h int) *fact.RDBMark { return &fact.RDBMark{Saved: at(h)} }
	redis := func(dir string) []fact.Service {
		return []fact.Service{{Ref: "service:redis", Name: "redis", Settings: []fact.Setting{{Name: "dir", Value: dir}}}}
	}
	for name, c := range map[string]struct {
		first   int // hour of the key's first login, saved at 20
		jobs    []fact.Autostart
		service []fact.Service
		want    truth
	}{
		"before the only save":         {9, nil, nil, yes},
		"after it":                     {21, nil, nil, no},
		"between two saves":            {19, []fact.Autostart{{Ref: "a", RDB: dump(18)}}, redis("/root/.ssh"), no},
		"before both":                  {9, []fact.Autostart{{Ref: "a", RDB: dump(18)}}, redis("/root/.ssh"), yes},
		"it may have been saved often": {9, nil, redis("/root/.ssh"), unknown},
		"it saves elsewhere now":       {9, nil, redis("/var/lib/redis"), yes},
	} {
		k := fact.Key{Ref: "key:k", Origin: fact.Origin{Path: "/root/.ssh/authorized_keys"}, RDB: dump(20), FirstUsed: at(c.first)}
		s := &fact.Snapshot{
			Key: []fact.Key{k}, Autostart: c.jobs, Service: c.service,
			Log: []fact.LogEvent{{Kind: "ssh-accepted", Key: "other", Time: at(1)}},
			Coverage: []fact.Coverage{
				{Observer: "log", State: fact.Seen}, {Observer: "redis", State: fact.Seen},
			},
		}
		if got := truthOf(t, s, "used_before(it, it.rdb.saved)", &s.Key[0]); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Without /etc/shadow it is not known that root's password is not locked.
func TestAccountWithoutShadow(t *testing.T) {
	for state, want := range map[fact.State]truth{fact.Partial: unknown, fact.Seen: no} {
		s := &fact.Snapshot{
			Account:  []fact.Account{{Ref: "account:root", Name: "root", Password: "unknown"}},
			Coverage: []fact.Coverage{{Observer: "account", State: state}},
		}
		if got := truthOf(t, s, `account("root").password == "locked"`, &s.Account[0]); got != want {
			t.Errorf("%v: %v, want %v", state, got, want)
		}
	}
}

// A program with mining code at a package's path is that package's only when
// it was compared: a large one is not.
func TestPackagedMiner(t *testing.T) {
	miner := []fact.Pattern{{ID: "x", Strength: "conclusive"}}
	for name, c := range map[string]struct {
		file fact.File
		want truth
	}{
		"compared, the same":    {fact.File{Package: "x", Verified: "same", Patterns: miner}, yes},
		"compared, another":     {fact.File{Package: "x", Verified: "changed", Patterns: miner}, no},
		"not compared":          {fact.File{Package: "x", Patterns: miner}, unknown},
		"not compared, no code": {fact.File{Package: "x"}, yes},
	} {
		c.file.Ref = "file:/usr/bin/x"
		s := &fact.Snapshot{File: []fact.File{c.file}, Coverage: []fact.Coverage{{Observer: "package", State: fact.Seen}}}
		if got := truthOf(t, s, "packaged(it)", &s.File[0]); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
