package judge

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/relate"
)

// Judge applies the rules to everything in the Index. The error is only the
// context's; a rule that fails on a subject is Unknown for it.
func Judge(ctx context.Context, rules []*Rule, x *relate.Index) (Report, error) {
	var r Report
	a := Ask(x, nil)
	for _, rule := range rules {
		if err := ctx.Err(); err != nil {
			return r, err
		}
		rule.gaps(x, &r)
		for _, s := range subjects(x, rule.For) {
			rule.judge(a, s, &r)
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), -cmp.Compare(a.Severity, b.Severity))
	})
	r.Unknown = foldUnknown(r.Unknown)
	return r, nil
}

func rank(f Finding) int {
	return slices.Index([]string{Attack, Posture}, f.Class)*8 +
		slices.Index([]string{Confirmed, Likely, Possible}, f.Certainty)
}

// gaps makes a rule Unknown for what the observers that it needs did not see.
func (r *Rule) gaps(x *relate.Index, out *Report) {
	for _, o := range r.Needs {
		if ok, c := x.Covered(o); !ok {
			u := Unknown{Rule: r.ID, Subject: fact.Ref("observer:" + o), Why: "unseen"}
			if len(c.Gaps) > 0 {
				u.Why, u.Detail = c.Gaps[0].Code, c.Gaps[0].What
			}
			out.Unknown = append(out.Unknown, u)
		}
	}
}

type subject struct {
	ref    fact.Ref
	it     any
	origin *fact.Origin
	gaps   []string
}

func subjects(x *relate.Index, kind string) []subject {
	var out []subject
	s := x.S
	switch kind {
	case fact.KindProcess:
		for i := range s.Process {
			p := &s.Process[i]
			out = append(out, subject{p.Ref, p, originOf(p.Exe), p.Gaps})
		}
	case fact.KindAutostart:
		for i := range s.Autostart {
			a := &s.Autostart[i]
			out = append(out, subject{a.Ref, a, &a.Origin, a.Gaps})
		}
	case fact.KindFile:
		for i := range s.File {
			out = append(out, subject{s.File[i].Ref, &s.File[i], originOf(s.File[i].Path), s.File[i].Gaps})
		}
	case fact.KindAccount:
		for i := range s.Account {
			out = append(out, subject{s.Account[i].Ref, &s.Account[i], &s.Account[i].Origin, nil})
		}
	case fact.KindKey:
		for i := range s.Key {
			out = append(out, subject{s.Key[i].Ref, &s.Key[i], &s.Key[i].Origin, nil})
		}
	case fact.KindService:
		for i := range s.Service {
			out = append(out, subject{s.Service[i].Ref, &s.Service[i], originOf(s.Service[i].Config), s.Service[i].Gaps})
		}
	case fact.KindContainer:
		for i := range s.Container {
			out = append(out, subject{s.Container[i].Ref, &s.Container[i], &s.Container[i].Origin, nil})
		}
	case fact.KindFlow:
		for i := range s.Flow {
			out = append(out, subject{s.Flow[i].Ref, &s.Flow[i], nil, nil})
		}
	case fact.KindModule:
		for i := range s.Module {
			out = append(out, subject{s.Module[i].Ref, &s.Module[i], nil, nil})
		}
	case fact.KindFirewall:
		for i := range s.Firewall {
			out = append(out, subject{s.Firewall[i].Ref, &s.Firewall[i], originOf(s.Firewall[i].Persisted), nil})
		}
	case fact.KindLoad:
		out = append(out, subject{fact.LoadRef, &s.Load, nil, nil})
	case "exposure":
		for i := range x.Exposures {
			out = append(out, subject{x.Exposures[i].Ref, &x.Exposures[i], nil, nil})
		}
	case "opening":
		openings := x.OpenRules()
		for i := range openings {
			out = append(out, subject{openings[i].Ref, &openings[i], savedAt(&openings[i]), nil})
		}
	}
	return out
}

func savedAt(o *relate.OpenRule) *fact.Origin {
	if len(o.Saved) == 0 {
		return nil
	}
	return &o.Saved[0]
}

func originOf(p fact.Path) *fact.Origin {
	if p == "" {
		return nil
	}
	return &fact.Origin{Path: p}
}

func (r *Rule) judge(a *Asker, s subject, out *Report) {
	t, unseen, err := a.truth(r.when, s.it)
	switch {
	case err != nil:
		out.Unknown = append(out.Unknown, Unknown{Rule: r.ID, Subject: s.ref, Why: "error", Detail: err.Error()})
		return
	case t == unknown:
		out.Unknown = append(out.Unknown, unknownOf(r.ID, s.ref, unseen))
		return
	case t == no:
		return
	}
	certainty := r.Certainty
	if len(unseen) > 0 { // it holds, but by a list that was not fully seen
		certainty = weaker(certainty, Likely)
	}
	for _, e := range r.Unless {
		t, _, err := a.truth(e.when, s.it)
		if err != nil || t == unknown {
			certainty = Possible
			continue
		}
		if t == yes {
			out.Excused = append(out.Excused, Excused{Rule: r.ID, Subject: s.ref, Reason: e.ID})
			return
		}
	}
	out.Findings = append(out.Findings, r.finding(a, s, certainty))
}

func weaker(a, b string) string {
	order := []string{Possible, Likely, Confirmed}
	return order[min(slices.Index(order, a), slices.Index(order, b))]
}

func unknownOf(rule string, ref fact.Ref, unseen []Unseen) Unknown {
	u := Unknown{Rule: rule, Subject: ref, Why: "unseen"}
	if len(unseen) > 0 {
		u.Why, u.Detail = unseen[0].Gap.Code, unseen[0].Observer
	}
	return u
}

func (r *Rule) finding(a *Asker, s subject, certainty string) Finding {
	f := Finding{
		ID: findingID(r.ID, s.ref), Rule: r.ID, Class: r.Class, Certainty: certainty, Severity: r.Severity,
		Subject: s.ref, Origin: s.origin, Attack: r.Attack, Remedy: r.Remedy, Trial: r.Trial,
		Message: i18n.Message{ID: "rule." + r.ID, Args: a.Args(r.args, s.it)},
	}
	if r.about != nil {
		if v, err := a.Value(r.about, s.it); err == nil {
			f.About = Refs(v)
		}
	}
	return f
}

// plain turns values with a text form into it: arguments are strings, numbers,
// booleans, times and lists of those.
func plain(v any) any {
	switch v := v.(type) {
	case fact.Path:
		return v.String()
	case fact.Ref:
		return string(v)
	case []fact.Path:
		out := make([]string, len(v))
		for i := range v {
			out[i] = v[i].String()
		}
		return out
	}
	return v
}

// Refs takes the Refs out of what an expression gave.
func Refs(v any) []fact.Ref {
	var out []fact.Ref
	switch v := v.(type) {
	case string: // expressions see Refs as text
		if v != "" {
			out = append(out, fact.Ref(v))
		}
	case []fact.Ref:
		out = append(out, v...)
	case []any:
		for _, e := range v {
			out = append(out, Refs(e)...)
		}
	}
	return out
}

func findingID(rule string, ref fact.Ref) string {
	h := sha256.Sum256([]byte(rule + "\x00" + string(ref)))
	return "F-" + hex.EncodeToString(h[:4])
}

// foldUnknown keeps the first subject of each rule and reason and counts the
// rest.
func foldUnknown(in []Unknown) []Unknown {
	at := map[string]int{}
	var out []Unknown
	for _, u := range in {
		k := fmt.Sprint(u.Rule, "\x00", u.Why, "\x00", u.Detail)
		if i, ok := at[k]; ok {
			out[i].Count = max(1, out[i].Count) + 1
			continue
		}
		at[k] = len(out)
		out = append(out, u)
	}
	return out
}
