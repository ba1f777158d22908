package explain

import (
	"maps"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/relate"
)

// vars is what a hypothesis can speak of beside the functions: the facts of
// the incident, and the logs, services, processes and listeners of the host.
func (sc *scene) vars() map[string]any {
	v := map[string]any{
		"autostarts": sc.autostarts, "keys": sc.keys, "processes": sc.processes, "services": sc.services,
		"doors": sc.doors, "findings": sc.findings, "begin": sc.begin(), "implants": sc.all(), "files": sc.files(),
		"logs": []*fact.LogEvent(nil), "near": []*fact.LogEvent(nil), "logins": []*fact.LogEvent(nil),
		"all_services": []*fact.Service(nil), "all_processes": []*fact.Process(nil),
		"all_exposures": []*relate.Exposure(nil), "all_keys": []*fact.Key(nil), "with": map[string][]string(nil),
	}
	maps.Copy(v, sc.asks())
	if sc.x == nil {
		return v
	}
	v["logs"], v["near"], v["logins"] = pointers(sc.x.S.Log), sc.near(), sc.entries(sc.beginnings(), sc.all())
	v["all_services"], v["all_processes"] = pointers(sc.x.S.Service), pointers(sc.x.S.Process)
	v["all_exposures"], v["all_keys"] = pointers(sc.x.Exposures), pointers(sc.x.S.Key)
	return v
}

func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// around is how far from the first artefact a log still speaks of it: an intruder
// who gets a shell fetches what runs within minutes.
const around = 10 * time.Minute

// near are the events of logs around the first artefact, or around a moment
// that may be it; of several that were folded into one, all the time between the
// first and the last.
func (sc *scene) near() (out []*fact.LogEvent) {
	moments := sc.beginnings()
	for i := range sc.x.S.Log {
		e := &sc.x.S.Log[i]
		until := e.Until
		if until.Before(e.Time) {
			until = e.Time
		}
		if !e.Time.IsZero() && slices.ContainsFunc(moments, func(t time.Time) bool {
			return e.Time.Sub(t) <= around && t.Sub(until) <= around
		}) {
			out = append(out, e)
		}
	}
	return out
}

// all are the processes of the implants with their families.
func (sc *scene) all() (out []*fact.Process) {
	if sc.x == nil {
		return nil
	}
	members := sc.implanted()
	for i := range sc.x.S.Process {
		if p := &sc.x.S.Process[i]; members[p.Ref] {
			out = append(out, p)
		}
	}
	return out
}

// implanted are the members, found once.
func (sc *scene) implanted() map[fact.Ref]bool {
	if sc.family == nil {
		sc.family = sc.members()
	}
	return sc.family
}

// files are those that were put there: images of implants, and what planted
// autostarts are in or run, but for what a package brought.
func (sc *scene) files() (out []*fact.File) {
	if sc.x == nil {
		return nil
	}
	add := func(f *fact.File) {
		if f != nil && f.Package == "" && !f.Missing && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	for _, p := range sc.implantProcesses() {
		add(sc.x.Image(p))
		add(sc.x.FileAt(sc.x.Program(p)))
	}
	for _, a := range sc.autostarts {
		add(sc.x.FileAt(a.Origin.Path))
		for _, p := range a.Shell.Runs {
			add(sc.x.FileAt(p))
		}
	}
	return out
}

// begin is the earliest moment that an implant is known from.
func (sc *scene) begin() time.Time {
	var t time.Time
	earlier := func(u time.Time) {
		if !u.IsZero() && (t.IsZero() || u.Before(t)) {
			t = u
		}
	}
	for _, a := range sc.autostarts {
		earlier(sc.appeared(a))
	}
	for _, k := range sc.keys {
		if k.RDB != nil {
			earlier(k.RDB.Saved)
		}
	}
	for _, p := range sc.processes {
		earlier(p.Started)
	}
	return t
}

// appeared is when an autostart was planted. Anyone can set the time at which a
// file was changed, and archives and downloads bring one along: a file that came
// into being later, or (where that is not kept) whose entry was changed much
// later, was not there then.
func (sc *scene) appeared(a *fact.Autostart) time.Time {
	if a.RDB != nil {
		return a.RDB.Saved
	}
	var born time.Time
	if f := sc.x.FileAt(a.Origin.Path); f != nil {
		born = f.Born
	}
	switch {
	case born.After(a.Modified):
		return born
	case born.IsZero() && a.Changed.Sub(a.Modified) > around:
		return a.Changed
	}
	return a.Modified
}

// beginnings are begin and the other moments that may be the first: a file's
// time can be set in both directions, the time of its entry only by changing it
// again.
func (sc *scene) beginnings() []time.Time {
	out := []time.Time{sc.begin()}
	for _, a := range sc.autostarts {
		if a.RDB == nil && a.Changed.Sub(a.Modified) > around {
			out = append(out, a.Modified, a.Changed)
		}
	}
	return slices.DeleteFunc(out, time.Time.IsZero)
}
