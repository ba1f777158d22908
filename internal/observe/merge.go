package observe

import (
	"slices"

	"demine/internal/fact"
)

// clone copies the lists of a snapshot, not the facts in them: facts are
// replaced, never changed.
func clone(s *fact.Snapshot) *fact.Snapshot {
	if s == nil {
		return &fact.Snapshot{}
	}
	c := *s
	c.Coverage = slices.Clone(s.Coverage)
	c.Process = slices.Clone(s.Process)
	c.Socket = slices.Clone(s.Socket)
	c.Autostart = slices.Clone(s.Autostart)
	c.File = slices.Clone(s.File)
	c.Account = slices.Clone(s.Account)
	c.Key = slices.Clone(s.Key)
	c.Firewall = slices.Clone(s.Firewall)
	c.Service = slices.Clone(s.Service)
	c.Log = slices.Clone(s.Log)
	c.Container = slices.Clone(s.Container)
	c.Flow = slices.Clone(s.Flow)
	c.Module = slices.Clone(s.Module)
	c.Network = slices.Clone(s.Network)
	c.Credential = slices.Clone(s.Credential)
	return &c
}

func merge(s *fact.Snapshot, p Part) {
	if p.Host != nil {
		s.Host = *p.Host
	}
	if p.Load != nil {
		s.Load = *p.Load
	}
	if p.Kernel != nil {
		s.Kernel = *p.Kernel
	}
	s.Process = put(s.Process, beside(s.Process, p.Process), func(f *fact.Process) fact.Ref { return f.Ref })
	s.Socket = put(s.Socket, p.Socket, func(f *fact.Socket) fact.Ref { return f.Ref })
	s.Autostart = put(s.Autostart, p.Autostart, func(f *fact.Autostart) fact.Ref { return f.Ref })
	s.File = put(s.File, p.File, func(f *fact.File) fact.Ref { return f.Ref })
	s.Account = put(s.Account, p.Account, func(f *fact.Account) fact.Ref { return f.Ref })
	s.Key = put(s.Key, p.Key, func(f *fact.Key) fact.Ref { return f.Ref })
	s.Firewall = put(s.Firewall, p.Firewall, func(f *fact.Ruleset) fact.Ref { return f.Ref })
	s.Service = put(s.Service, p.Service, func(f *fact.Service) fact.Ref { return f.Ref })
	if len(p.Log) > 0 && p.Log[0].By != "" { // it read what it had read before, and more
		s.Log = slices.DeleteFunc(s.Log, func(e fact.LogEvent) bool { return e.By == p.Log[0].By })
	}
	s.Log = append(s.Log, p.Log...)
	s.Container = put(s.Container, p.Container, func(f *fact.Container) fact.Ref { return f.Ref })
	s.Flow = put(s.Flow, p.Flow, func(f *fact.Flow) fact.Ref { return f.Ref })
	s.Module = put(s.Module, p.Module, func(f *fact.Module) fact.Ref { return f.Ref })
	s.Network = put(s.Network, p.Network, func(f *fact.Network) fact.Ref { return f.Ref })
	s.Credential = put(s.Credential, p.Credential, func(f *fact.Credential) fact.Ref { return f.Ref })
}

// put adds facts, in place of those with the same Ref.
func put[F any](have, add []F, ref func(*F) fact.Ref) []F {
	if len(add) == 0 {
		return have
	}
	at := make(map[fact.Ref]int, len(have)+len(add))
	for i := range have {
		at[ref(&have[i])] = i
	}
	for i := range add {
		r := ref(&add[i])
		if j, ok := at[r]; ok {
			have[j] = add[i]
			continue
		}
		at[r] = len(have)
		have = append(have, add[i])
	}
	return have
}

// beside keeps what observers that ran side by side found out about the same
// process: each began with what was known before.
func beside(have, add []fact.Process) []fact.Process {
	if len(add) == 0 {
		return nil
	}
	at := make(map[fact.Ref]*fact.Process, len(have))
	for i := range have {
		at[have[i].Ref] = &have[i]
	}
	out := slices.Clone(add)
	for i := range out {
		h, p := at[out[i].Ref], &out[i]
		if h == nil {
			continue
		}
		if p.ExeFile == "" {
			p.ExeFile = h.ExeFile
		}
		if p.Shape == nil {
			p.Shape = h.Shape
		}
		if p.Memory == nil {
			p.Memory = h.Memory
		}
	}
	return out
}
