package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/internal/relate"
)

// JSON writes the Scan, whose names are a contract: indented, lists never
// null, in an order that does not depend on chance. It is valid UTF-8 and safe
// to show: what could command a terminal is a \u escape.
func JSON(w io.Writer, s *explain.Scan) error { return writeJSON(w, ordered(s)) }

// ExposureJSON writes the part of the contract that `demine exposure` shows.
func ExposureJSON(w io.Writer, s *explain.Scan) error {
	o := ordered(s)
	return writeJSON(w, struct {
		Schema   int               `json:"schema"`
		ID       string            `json:"id"`
		Host     fact.HostInfo     `json:"host"`
		Taken    any               `json:"taken"`
		Exposure []relate.Exposure `json:"exposure"`
		Coverage []fact.Coverage   `json:"coverage"`
	}{o.Schema, o.ID, o.Host, o.Taken, o.Exposure, o.Coverage})
}

// DoctorJSON writes the part of the contract that `demine doctor` shows.
func DoctorJSON(w io.Writer, s *explain.Scan) error {
	o := ordered(s)
	return writeJSON(w, struct {
		Schema   int              `json:"schema"`
		ID       string           `json:"id"`
		Host     fact.HostInfo    `json:"host"`
		Taken    any              `json:"taken"`
		Unknown  []judge.Unknown  `json:"unknown"`
		Coverage []fact.Coverage  `json:"coverage"`
		Operator explain.Operator `json:"operator"`
		Took     explain.Took     `json:"took"`
	}{o.Schema, o.ID, o.Host, o.Taken, o.Unknown, o.Coverage, o.Operator, o.Took})
}

func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	_, err := w.Write(tame(b.Bytes()))
	return err
}

// tame replaces characters that must not reach a terminal by their escapes.
// Outside of strings JSON is ASCII, so the meaning stays.
func tame(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r < 0x7f:
			out = append(out, b[i])
		case r > 0xffff && i18n.Hostile(r):
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		case i18n.Hostile(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, b[i:i+n]...)
		}
		i += n
	}
	return out
}

// ordered gives a copy with every list there and sorted.
func ordered(s *explain.Scan) *explain.Scan {
	o := *s
	o.Findings = slices.Clone(list(s.Findings))
	slices.SortStableFunc(o.Findings, func(a, b judge.Finding) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), rank(a.Certainty)-rank(b.Certainty), b.Severity-a.Severity,
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Subject, b.Subject))
	})
	o.Unknown = slices.Clone(list(s.Unknown))
	slices.SortStableFunc(o.Unknown, func(a, b judge.Unknown) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Why, b.Why), cmp.Compare(a.Subject, b.Subject))
	})
	o.Exposure = widest(s.Exposure)
	o.Coverage = slices.Clone(list(s.Coverage))
	slices.SortStableFunc(o.Coverage, func(a, b fact.Coverage) int { return cmp.Compare(a.Observer, b.Observer) })
	o.Load.By, o.Impact = list(s.Load.By), list(s.Impact)
	o.Incidents = slices.Clone(list(s.Incidents))
	for i := range o.Incidents {
		fill(&o.Incidents[i])
	}
	return &o
}

// fill makes the lists of an incident lists.
func fill(in *explain.Incident) {
	in.Findings, in.Implants, in.Timeline = list(in.Findings), list(in.Implants), list(in.Timeline)
	in.Graph.Nodes, in.Graph.Edges = list(in.Graph.Nodes), list(in.Graph.Edges)
	in.Impact, in.Rotate = list(in.Impact), list(in.Rotate)
	in.Causes = slices.Clone(list(in.Causes))
	for i := range in.Causes {
		in.Causes[i].For, in.Causes[i].Against = list(in.Causes[i].For), list(in.Causes[i].Against)
	}
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func rank(certainty string) int {
	return slices.Index([]string{judge.Confirmed, judge.Likely, judge.Possible}, certainty)
}

// widest orders listeners: those that let most in first, without a password
// before with.
func widest(es []relate.Exposure) []relate.Exposure {
	es = slices.Clone(list(es))
	slices.SortStableFunc(es, func(a, b relate.Exposure) int {
		return cmp.Or(reach(a.From)-reach(b.From), lock(a.Auth)-lock(b.Auth), a.Port-b.Port, cmp.Compare(a.Listener, b.Listener))
	})
	return es
}

func lock(auth string) int {
	return slices.Index([]string{"none", "unknown", "password", "acl", "key"}, auth)
}

// reach orders From by how much it lets in, widest first.
func reach(from string) int {
	return slices.Index([]string{"anywhere", "some", "cannot-tell", "local", "nobody"}, from)
}
