package xtables

import (
	"encoding/binary"
	"testing"

	"demine/internal/fact"
)

func u32s(n ...uint32) (b []byte) {
	for _, x := range n {
		b = binary.NativeEndian.AppendUint32(b, x)
	}
	return b
}

// longs are numbers as the kernel writes an unsigned long.
func longs(n ...uint64) (b []byte) {
	for _, x := range n {
		b = binary.NativeEndian.AppendUint64(b, x)
	}
	return b
}

func TestMarkMatch(t *testing.T) {
	for _, c := range []struct {
		name string
		rev  uint8
		data []byte
		want fact.Rule
	}{
		{"all of it", 1, append(u32s(5, AllMark), 0), fact.Rule{Mark: fact.Mark{Value: 5, Mask: AllMark}, Text: "-m mark --mark 0x5"}},
		{"not, under a mask", 1, append(u32s(1, 3), 1), fact.Rule{Mark: fact.Mark{Value: 1, Mask: 3, Not: true}, Text: "-m mark ! --mark 0x1/0x3"}},
		{"not one bit", 1, append(u32s(4, 4), 1), fact.Rule{Mark: fact.Mark{Mask: 4}, Text: "-m mark ! --mark 0x4/0x4"}},
		{"outside of its mask", 1, append(u32s(8, 3), 0), fact.Rule{DPort: []fact.PortRange{never}, Text: "-m mark --mark 0x8/0x3"}},
		{"not outside of its mask", 1, append(u32s(8, 3), 1), fact.Rule{Text: "-m mark ! --mark 0x8/0x3"}},
		{"no mask", 1, append(u32s(0, 0), 0), fact.Rule{Text: "-m mark --mark 0x0/0x0"}},
		{"not no mask", 1, append(u32s(0, 0), 1), fact.Rule{DPort: []fact.PortRange{never}, Text: "-m mark ! --mark 0x0/0x0"}},
		{"of longs", 0, append(longs(5, AllMark), 0), fact.Rule{Mark: fact.Mark{Value: 5, Mask: AllMark}, Text: "-m mark --mark 0x5"}},
		{"cut off", 1, u32s(5), fact.Rule{Unknown: []string{"mark"}, Text: "-m mark"}},
	} {
		var r fact.Rule
		Match("mark", c.rev, c.data, &r)
		if r.Mark != c.want.Mark || r.Text != c.want.Text || len(r.DPort) != len(c.want.DPort) || len(r.Unknown) != len(c.want.Unknown) {
			t.Errorf("%s: got %+v, want %+v", c.name, r, c.want)
		}
	}
}

func TestMarkTargets(t *testing.T) {
	unclear := fact.Mark{Mask: AllMark, Unclear: true}
	for _, c := range []struct {
		name string
		rev  uint8
		data []byte
		want fact.Mark
	}{
		{"MARK", 2, u32s(5, 0xff), fact.Mark{Value: 5, Mask: 0xff}},
		{"MARK", 0, longs(5), fact.Mark{Value: 5, Mask: AllMark}},
		{"MARK", 1, append(longs(5), 0), fact.Mark{Value: 5, Mask: AllMark}},
		{"MARK", 1, append(longs(0xff), 1), fact.Mark{Mask: 0xffffff00}},
		{"MARK", 1, append(longs(5), 2), fact.Mark{Value: 5, Mask: 5}},
		{"MARK", 1, append(longs(5), 3), unclear},
		{"MARK", 2, u32s(5), unclear},
		{"MARK", 9, u32s(5, 6, 7), unclear},
		{"CONNMARK", 1, append(u32s(0, 0xf, 0xf0), 2), fact.Mark{Mask: 0xff, Unclear: true}},
		{"CONNMARK", 1, append(u32s(1, 0xf, 0xf0), 0), fact.Mark{}},
		{"CONNMARK", 2, append(u32s(0, 0xf, 0xf0), 0, 1, 2), unclear},
		{"CONNMARK", 2, append(u32s(0, 0xf, 0xf0), 0, 1, 1), fact.Mark{}},
		{"CONNMARK", 3, append(u32s(0, 0xf, 0xf0), 0, 1, 1), unclear},
		{"HMARK", 0, nil, unclear},
		{"SET", 3, u32s(1, 65535, 65535), fact.Mark{}},
		{"SET", 3, u32s(65535, 65535, 1), unclear},
		{"LOG", 0, nil, fact.Mark{}},
	} {
		var r fact.Rule
		Target(c.name, c.rev, c.data, &r)
		if r.SetMark != c.want || r.Verdict != "continue" {
			t.Errorf("%s revision %d of %x: got %+v, want %+v", c.name, c.rev, c.data, r.SetMark, c.want)
		}
	}
}

func TestSavedMark(t *testing.T) {
	for _, c := range []struct {
		rev  uint8
		data []byte
		want uint32
	}{
		{1, append(u32s(0, 0xf, 0xf0), 1), 0xf0},
		{1, append(u32s(0, 0xf, 0xf0), 2), 0},
		{2, append(u32s(0, 0xf, 0xf0), 0, 1, 1), 0xf0},
		{2, append(u32s(0, 0xf, 0xf0), 0, 1), 0},
		{1, u32s(0, 0xf, 0xf0), 0},
	} {
		var r fact.Rule
		if Target("CONNMARK", c.rev, c.data, &r); r.Saves != c.want {
			t.Errorf("revision %d of %x: got %#x, want %#x", c.rev, c.data, r.Saves, c.want)
		}
	}
}

// Two conditions, and two changes, are what they are one after the other.
func TestMarksTogether(t *testing.T) {
	for a := range uint32(64) {
		for b := range uint32(64) {
			x, y := fact.Mark{Value: a & 7, Mask: a >> 3}, fact.Mark{Value: b & 7, Mask: b >> 3}
			var r fact.Rule
			NarrowMark(&r, x)
			NarrowMark(&r, y)
			both := Marked(x, y)
			for mark := range uint32(8) {
				want := mark&x.Mask == x.Value && mark&y.Mask == y.Value
				if got := len(r.DPort) == 0 && mark&r.Mark.Mask == r.Mark.Value; got != want {
					t.Fatalf("%d meets %+v and %+v: %v, want %v", mark, x, y, got, want)
				}
				change := func(n uint32, m fact.Mark) uint32 { return n&^m.Mask ^ m.Value }
				if got, want := change(mark, both), change(change(mark, x), y); got != want {
					t.Fatalf("%d by %+v and %+v: %d, want %d", mark, x, y, got, want)
				}
			}
		}
	}
}
