package store

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"demine/internal/lease"
)

var samePrefix = cmpopts.EquateComparable(netip.Prefix{})

// filled gives every field of every struct another value than its zero.
func filled(v reflect.Value, n *int) {
	*n++
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Date(2026, 11, 20, 19, 0, *n, 7, time.FixedZone("", 8*3600))
		return
	case *netip.Prefix:
		*x = netip.MustParsePrefix("2001:db8:7::/48")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.String:
		v.SetString(string(rune('a'+*n%26)) + "用")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(int64(*n) << 33 * int64(1-*n%2*2))
	}
}

// TestLeaseCode: every field that a lease has, also one that it will get some
// day, is read as it was written.
func TestLeaseCode(t *testing.T) {
	var full leases
	n := 0
	filled(reflect.ValueOf(&full).Elem(), &n)
	for _, l := range []leases{{}, full, {Serial: 2, Leases: []lease.Lease{{ID: "L-1"}, full.Leases[0]}}} {
		b, err := l.appendList(nil)
		if err != nil {
			t.Fatal(err)
		}
		var got leases
		if err := got.readList(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l, got, samePrefix); d != "" {
			t.Error(d)
		}
		for i := range b {
			if err := new(leases).readList(b[:i]); err == nil {
				t.Fatalf("the first %d of %d bytes are read as a list", i, len(b))
			}
		}
		if err := new(leases).readList(append(b, 0)); err == nil {
			t.Error("one byte more is read as a list")
		}
	}
}

func FuzzLeaseList(f *testing.F) {
	var full leases
	n := 0
	filled(reflect.ValueOf(&full).Elem(), &n)
	b, err := full.appendList(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var l, again leases
		if l.readList(b) != nil {
			return
		}
		b, err := l.appendList(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.readList(b); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l, again, samePrefix); d != "" {
			t.Error(d)
		}
	})
}
