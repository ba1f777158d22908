package iptablessave

import (
	"demine/internal/fact"
	"demine/internal/format/xtables"
)

// mark is an option of the match "mark" or of a target that gives a mark; false
// for every other. --set-mark leaves no other bit of the mask, and not what its
// value has (libxt_MARK.c).
func (r *reader) mark(w string) bool {
	target := r.match == "-j" && r.rule.Target != ""
	switch {
	case r.match == "mark" && w == "--mark":
		value, mask, ok := xtables.ParseMark(r.value())
		if !ok {
			xtables.Doubt(&r.rule, "mark")
			return true
		}
		xtables.NarrowMark(&r.rule, fact.Mark{Value: value, Mask: mask, Not: r.not})
	case target && r.rule.Target == "MARK":
		xtables.SetMark(&r.rule, markOption(w, r.value()))
	case target && r.rule.Target == "CONNMARK":
		return r.connmark(w)
	case target && r.rule.Target == "HMARK", w == "--map-mark":
		r.rule.SetMark = fact.Mark{Mask: xtables.AllMark, Unclear: true}
		return false
	default:
		return false
	}
	return true
}

// markOption is what an option of the target MARK does.
func markOption(w, arg string) fact.Mark {
	value, mask, ok := xtables.ParseMark(arg)
	switch {
	case !ok:
	case w == "--set-xmark":
		return fact.Mark{Value: value, Mask: mask}
	case w == "--set-mark":
		return fact.Mark{Value: value, Mask: mask | value}
	case w == "--and-mark":
		return fact.Mark{Mask: ^value}
	case w == "--or-mark":
		return fact.Mark{Value: value, Mask: value}
	case w == "--xor-mark":
		return fact.Mark{Value: value}
	}
	return fact.Mark{Mask: xtables.AllMark, Unclear: true}
}

// connmark is an option of CONNMARK: only --restore-mark changes the mark of the
// packet, under the masks that follow it, and only --save-mark keeps it.
func (r *reader) connmark(w string) bool {
	m := &r.rule.SetMark
	switch {
	case w == "--save-mark":
		r.rule.Saves = xtables.AllMark
	case r.rule.Saves != 0 && (w == "--nfmask" || w == "--mask"):
		if bits, ok := xtables.ParseBits(r.value()); ok {
			r.rule.Saves = bits
		}
	case w == "--restore-mark":
		*m = fact.Mark{Mask: xtables.AllMark, Unclear: true}
	case m.Unclear && (w == "--nfmask" || w == "--ctmask" || w == "--mask"):
		bits, ok := xtables.ParseBits(r.value())
		if !ok {
			bits = xtables.AllMark
		}
		if w == "--ctmask" && r.masked {
			bits |= m.Mask
		}
		m.Mask, r.masked = bits, true
	default:
		return false
	}
	return true
}
