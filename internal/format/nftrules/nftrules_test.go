package nftrules

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// feed adds a capture of a kernel (x86-64, Linux 6.18) to a dump: type, length
// and body of each message.
func feed(d *Dump, b []byte) error {
	var first error
	for len(b) >= 5 {
		n := int(binary.LittleEndian.Uint32(b[1:]))
		if n < 0 || n > len(b)-5 {
			return first
		}
		if err := d.Add(b[0], b[5:5+n]); err != nil && first == nil {
			first = err
		}
		b = b[5+n:]
	}
	return first
}

func names(n uint32) string {
	if n == 1 {
		return "lo"
	}
	return ""
}

func TestRulesetsOfCaptures(t *testing.T) {
	for _, name := range []string{"iptables", "native"} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", name+".nl"))
			if err != nil {
				t.Fatal(err)
			}
			var d Dump
			if err := feed(&d, b); err != nil {
				t.Fatal(err)
			}
			sets, other := d.Rulesets(names)
			if len(other) > 0 {
				t.Errorf("other tables: %v", other)
			}
			golden(t, name+".json", sets)
		})
	}
}

func golden(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s differs from what was read:\n%s", path, b.Bytes())
	}
}

// tlv builds attributes: type, payload.
func tlv(typ uint16, v []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), v...)
	return append(b, make([]byte, -len(v)&3)...)
}

// A kind of expression that nobody here knows must never make its rule look as
// if it had no condition.
func TestUnknownExpressionIsADoubt(t *testing.T) {
	expr := func(name string, data []byte) []byte {
		return tlv(1, append(tlv(1, []byte(name+"\x00")), tlv(2, data)...))
	}
	accept := expr("immediate", append(tlv(1, []byte{0, 0, 0, 0}), tlv(2, tlv(2, tlv(1, []byte{0, 0, 0, 1})))...))
	for _, name := range []string{"inner", "somethingnew", ""} {
		var d Dump
		_ = d.Add(NewTable, append([]byte{2, 0, 0, 0}, tlv(1, []byte("t\x00"))...))
		_ = d.Add(NewChain, append([]byte{2, 0, 0, 0}, append(tlv(1, []byte("t\x00")), tlv(3, []byte("c\x00"))...)...))
		_ = d.Add(NewRule, append([]byte{2, 0, 0, 0}, bytes.Join([][]byte{tlv(1, []byte("t\x00")), tlv(2, []byte("c\x00")), tlv(4, append(expr(name, nil), accept...))}, nil)...))
		sets, _ := d.Rulesets(names)
		r := sets[0].Chains[0].Rules[0]
		if len(r.Unknown) != 1 || r.Verdict != "accept" {
			t.Errorf("%q: %+v", name, r)
		}
	}
}

func TestOtherFamiliesThatDrop(t *testing.T) {
	var d Dump
	hook := append(tlv(1, []byte{0, 0, 0, 0}), tlv(2, []byte{0, 0, 0, 0})...)
	for _, family := range []byte{5, 7, 3} {
		_ = d.Add(NewTable, append([]byte{family, 0, 0, 0}, tlv(1, []byte("t\x00"))...))
		_ = d.Add(NewChain, append([]byte{family, 0, 0, 0}, bytes.Join([][]byte{tlv(1, []byte("t\x00")), tlv(3, []byte("c\x00")), tlv(4, hook), tlv(5, []byte{0, 0, 0, family & 1})}, nil)...))
	}
	_, other := d.Rulesets(names)
	if len(other) != 0 { // all three numbers are odd: policy accept
		t.Fatalf("tables that drop nothing: %v", other)
	}
	_ = d.Add(NewChain, append([]byte{7, 0, 0, 0}, bytes.Join([][]byte{tlv(1, []byte("t\x00")), tlv(3, []byte("d\x00")), tlv(4, hook), tlv(5, []byte{0, 0, 0, 0})}, nil)...))
	if _, other = d.Rulesets(names); len(other) != 1 || other[0] != "bridge t" {
		t.Errorf("tables that drop: %v", other)
	}
}

// FuzzDump: no panic; every rule of the kernel has at least one rule, with a
// verdict; and all of it can be written.
func FuzzDump(f *testing.F) {
	for _, name := range []string{"iptables", "native"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".nl"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Dump
		_ = feed(&d, b)
		sets, _ := d.Rulesets(names)
		for _, rs := range sets {
			for _, c := range rs.Chains {
				last := 0
				for _, r := range c.Rules {
					if r.Verdict == "" || r.N < last || r.N > last+1 {
						t.Fatalf("after %d: %+v", last, r)
					}
					last = r.N
				}
			}
		}
		if _, err := json.Marshal(sets); err != nil {
			t.Fatal(err)
		}
	})
}
