package btf

import (
	"slices"
	"testing"
)

// names is the string section of the examples: the empty name is at 0.
const names = "\x00task_struct\x00pid\x00tgid\x00bpf_iter_task\x00flag\x00"

func at(s string) uint32 { return uint32(indexName(s)) }

func indexName(s string) int {
	for i := range names {
		if len(names) > i+len(s) && names[i:i+len(s)] == s && names[i+len(s)] == 0 && (i == 0 || names[i-1] == 0) {
			return i
		}
	}
	panic(s)
}

// built is a header with the types and strings behind it.
func built(words ...uint32) []byte {
	b := order.AppendUint16(nil, magic)
	b = append(b, 1, 0)
	for _, w := range []int{headerLen, 0, 4 * len(words), 4 * len(words), len(names)} {
		b = order.AppendUint32(b, uint32(w))
	}
	for _, w := range words {
		b = order.AppendUint32(b, w)
	}
	return append(b, names...)
}

// example: an integer, a struct of which a member is a bit field, a function.
var example = built(
	0, 1<<24, 4, 32,
	at("task_struct"), 1<<31|4<<24|3, 64,
	/**/ at("flag"), 1, 3<<24,
	/**/ at("pid"), 1, 1264*8,
	/**/ at("tgid"), 1, 1268*8,
	at("bpf_iter_task"), 12<<24, 1,
)

func TestTypes(t *testing.T) {
	ts, err := Parse(example)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []int
	for typ, err := range ts.All() {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, typ.Kind)
		if ts.Named(typ, "task_struct") {
			offsets(t, ts, typ)
		}
		if got := ts.Named(typ, "bpf_iter_task"); got != (typ.Kind == Func) {
			t.Errorf("kind %d is the function: %v", typ.Kind, got)
		}
		if ts.Named(typ, "bpf_iter") || ts.Named(typ, "task") {
			t.Error("a part of a name is none")
		}
	}
	if !slices.Equal(kinds, []int{1, Struct, Func}) {
		t.Errorf("%v", kinds)
	}
}

func offsets(t *testing.T, ts *Types, typ Type) {
	for member, want := range map[string]int{"pid": 1264, "tgid": 1268, "flag": -1, "gone": -1} {
		got, ok := ts.Offset(typ, member)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%s at %d, want %d", member, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	good := example
	for name, b := range map[string][]byte{
		"nothing": nil, "a part of the header": good[:20], "not all": good[:len(good)-1],
		"another version":   slices.Concat(good[:2], []byte{2}, good[3:]),
		"another machine's": slices.Concat([]byte{good[1], good[0]}, good[2:]), "no BTF": make([]byte, 64),
	} {
		if _, err := Parse(b); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	for name, words := range map[string][]uint32{
		"a kind that nobody knows": {0, 31 << 24, 0}, "a struct without its members": {0, 4<<24 | 2, 8, 0, 0, 0}, "half a type": {0},
	} {
		ts, err := Parse(built(words...))
		if err != nil {
			t.Fatal(name, err)
		}
		var last error
		for _, err := range ts.All() {
			last = err
		}
		if last == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzTypes(f *testing.F) {
	f.Add(example)
	f.Fuzz(func(t *testing.T, b []byte) {
		ts, err := Parse(b)
		if err != nil {
			return
		}
		for typ, err := range ts.All() {
			if err != nil {
				break
			}
			ts.Named(typ, "task_struct")
			if off, ok := ts.Offset(typ, "pid"); ok && (off < 0 || off > 1<<29) {
				t.Fatal(off)
			}
		}
	})
}
