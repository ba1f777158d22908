package explain

import (
	"cmp"
	"slices"
	"time"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
)

// timeline puts in order what is known by time, each event with the place its
// time is from, and what will happen next.
func (sc *scene) timeline(likeliest Cause) []Event {
	var es []Event
	add := func(t time.Time, source string, o *fact.Origin, about fact.Ref, m i18n.Message) {
		if !t.IsZero() {
			es = append(es, Event{Time: t, Message: m, Source: source, Origin: o, About: about, Future: t.After(sc.x.Now)})
		}
	}
	sc.doorEvents(add)
	sc.planted(add)
	for _, p := range sc.implantProcesses() {
		sc.processEvents(p, add)
	}
	sc.logins(add)
	sc.traces(add)
	sc.entryEvents(likeliest, es, add)
	slices.SortStableFunc(es, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return slices.CompactFunc(es, func(a, b Event) bool {
		return a.Time.Equal(b.Time) && a.Message.ID == b.Message.ID && a.About == b.About
	})
}

type adder func(time.Time, string, *fact.Origin, fact.Ref, i18n.Message)

// planted: when dumps were saved and files last changed.
func (sc *scene) planted(add adder) {
	for _, a := range sc.autostarts {
		switch {
		case a.RDB != nil:
			add(a.RDB.Saved, "rdb", &a.Origin, a.Ref, i18n.M("event.redis-saved", "path", a.Origin.Path.String()))
		default:
			add(a.Changed, "ctime", &a.Origin, a.Ref, i18n.M("event.changed", "path", a.Origin.Path.String()))
		}
		s := sc.x.ScheduleOf(a.Ref)
		if s == nil || !a.Active {
			continue
		}
		for _, st := range s.Started {
			add(st.Tick, "schedule", &a.Origin, a.Ref, i18n.M("event.tick", "schedule", a.Schedule))
		}
		add(s.Next, "schedule", &a.Origin, a.Ref, i18n.M("event.next-tick", "schedule", a.Schedule))
	}
	for _, k := range sc.keys {
		if k.RDB != nil {
			add(k.RDB.Saved, "rdb", &k.Origin, k.Ref, i18n.M("event.redis-saved", "path", k.Origin.Path.String()))
		}
	}
}

func (sc *scene) processEvents(p *fact.Process, add adder) {
	f := sc.x.Image(p)
	if sc.x.Shared(p) { // the interpreter was there before
		f = sc.x.FileAt(relate.Script(p))
	}
	if f != nil {
		o := &fact.Origin{Path: f.Path}
		t, source := f.Born, "btime"
		if t.IsZero() {
			t, source = f.Changed, "ctime"
		}
		add(t, source, o, f.Ref, i18n.M("event.file-appeared", "path", f.Path.String()))
	}
	sc.containerEvents(p, add)
	add(p.Started, "kernel", nil, p.Ref, i18n.M("event.process-started", "exe", sc.x.Program(p).String(), "pid", p.PID, "user", p.User))
}

// containerEvents: when the container of an implant was made and last started.
func (sc *scene) containerEvents(p *fact.Process, add adder) {
	c := sc.x.ContainerOf(p)
	if c == nil {
		return
	}
	image := cmp.Or(c.Image, c.ImageID, "?")
	add(c.Created, "runtime", &c.Origin, c.Ref, i18n.M("event.container-created", "name", sc.home(p), "image", image))
	add(c.Started, "runtime", &c.Origin, c.Ref, i18n.M("event.container-started", "name", sc.home(p), "image", image))
}

// doorEvents: history and log lines that speak of a port of the incident.
func (sc *scene) doorEvents(add adder) {
	for _, d := range sc.doors {
		if d.Process == "" {
			continue
		}
		for _, o := range sc.x.Openings(d.Port) {
			add(o.Time, source[o.Source], &o.Origin, "", i18n.M("event.port-opened", "user", o.User, "command", o.Text, "port", d.Port))
		}
	}
}

// source is how far the times of what tells of a command can be trusted.
var source = map[string]string{"history": "history", "sudo": "log", "audit": "log"}

// logins: uses of the planted keys.
func (sc *scene) logins(add adder) {
	accused := map[fact.Ref]bool{}
	for _, f := range sc.findings {
		accused[f.Subject] = true
	}
	for _, k := range sc.keys {
		if !accused[k.Ref] {
			continue
		}
		for _, u := range k.Used {
			add(u.Time, "log", &u.Origin, k.Ref, i18n.M("event.key-used", "account", k.Account, "from", u.From, "fingerprint", k.Fingerprint))
		}
	}
}
