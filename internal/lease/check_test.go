package lease

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/respond"
)

func prefixes(t *testing.T, s string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, f := range strings.Fields(s) {
		p, err := netip.ParsePrefix(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func words(ps []netip.Prefix) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}

func refusal(err error) string {
	var r *respond.Refusal
	if errors.As(err, &r) {
		return r.ID
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestCheck(t *testing.T) {
	good := Ask{Proto: "tcp", Port: 6380, For: time.Hour, Who: "order-team", Why: "ticket 812"}
	for _, tt := range []struct {
		name, from string
		change     func(*Ask)
		want, got  string // refusal; sources then
	}{
		{"one address", "203.0.113.7/32", nil, "", "203.0.113.7/32"},
		{"masked, sorted, once", "203.0.113.7/24 192.0.2.1/32 203.0.113.9/32 192.0.2.1/32", nil, "", "192.0.2.1/32 203.0.113.0/24"},
		{"IPv4 in IPv6", "::ffff:203.0.113.7/128", nil, "", "203.0.113.7/32"},
		{"all of IPv4 in IPv6", "::ffff:0.0.0.0/96", nil, "refuse.lease.anyone", ""},
		{"nobody", "", nil, "refuse.lease.from", ""},
		{"everybody", "0.0.0.0/0", nil, "refuse.lease.anyone", ""},
		{"everybody in halves", "0.0.0.0/1 128.0.0.0/1", nil, "refuse.lease.anyone", ""},
		{"everybody of IPv6", "2000::/3", nil, "refuse.lease.anyone", ""},
		{"everybody in halves of what is too wide", "0.0.0.0/8 1.0.0.0/8", nil, "refuse.lease.anyone-together", ""},
		{"everybody in parts that are no neighbours", "1.0.0.0/8 5.0.0.0/8 77.0.0.0/8", nil, "refuse.lease.anyone-together", ""},
		{"everybody in uneven parts", "16.0.0.0/8 17.0.0.0/9 17.128.0.0/10 17.192.0.0/10", nil, "refuse.lease.anyone-together", ""},
		{"everybody of IPv6 in parts", "2400::/16 2401::/17 2401:8000::/17", nil, "refuse.lease.anyone-together", ""},
		{"everybody in parts, wanted", "16.0.0.0/8 17.0.0.0/8", func(a *Ask) { a.Anyone = true }, "", "16.0.0.0/8 17.0.0.0/8"},
		{"the same twice is not twice as much", "16.0.0.0/8 16.0.0.0/8 16.1.0.0/16", nil, "", "16.0.0.0/8"},
		{"all private networks", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10", nil, "",
			"10.0.0.0/8 100.64.0.0/10 172.16.0.0/12 192.168.0.0/16"},
		{"the widest of each family", "16.0.0.0/8 2400::/16", nil, "", "16.0.0.0/8 2400::/16"},
		{"everybody, wanted", "0.0.0.0/0 ::/0", func(a *Ask) { a.Anyone = true }, "", "0.0.0.0/0 ::/0"},
		{"a private network", "10.0.0.0/8", nil, "", "10.0.0.0/8"},
		{"loopback", "127.0.0.1/32", nil, "refuse.lease.source", ""},
		{"multicast", "ff02::1/128", nil, "refuse.lease.source", ""},
		{"no owner", "192.0.2.1/32", func(a *Ask) { a.Who = " " }, "refuse.lease.text", ""},
		{"no reason", "192.0.2.1/32", func(a *Ask) { a.Why = "" }, "refuse.lease.text", ""},
		{"a long reason", "192.0.2.1/32", func(a *Ask) { a.Why = strings.Repeat("x", MaxText+1) }, "refuse.lease.text-long", ""},
		{"a long owner, in Chinese", "192.0.2.1/32", func(a *Ask) { a.Who = strings.Repeat("订", MaxText+1) }, "refuse.lease.text-long", ""},
		{"a reason as long as it may be, in Chinese", "192.0.2.1/32", func(a *Ask) { a.Why = strings.Repeat("订", MaxText) }, "", "192.0.2.1/32"},
		{"too short", "192.0.2.1/32", func(a *Ask) { a.For = time.Second }, "refuse.lease.for", ""},
		{"more than a day", "192.0.2.1/32", func(a *Ask) { a.For = 25 * time.Hour }, "refuse.lease.long", ""},
		{"a week, wanted", "192.0.2.1/32", func(a *Ask) { a.For, a.Long = 7*24*time.Hour, true }, "", "192.0.2.1/32"},
		{"for ever", "192.0.2.1/32", func(a *Ask) { a.For, a.Long = 365*24*time.Hour, true }, "refuse.lease.for", ""},
		{"no port", "192.0.2.1/32", func(a *Ask) { a.Port = 0 }, "refuse.lease.port", ""},
		{"no protocol", "192.0.2.1/32", func(a *Ask) { a.Proto = "icmp" }, "refuse.lease.proto", ""},
		{"too many", strings.Repeat("192.0.2.1/32 ", maxSources+1), nil, "refuse.lease.sources", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := good
			a.From = prefixes(t, tt.from)
			if tt.change != nil {
				tt.change(&a)
			}
			a, err := Check(a)
			if got := refusal(err); got != tt.want {
				t.Fatalf("refused with %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff(tt.got, words(a.From)); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCovered(t *testing.T) {
	for _, tt := range []struct {
		p, by string
		want  bool
	}{
		{"192.0.2.0/24", "192.0.0.0/16", true},
		{"192.0.2.0/24", "192.0.2.0/25 192.0.2.128/25", true},
		{"192.0.2.0/24", "192.0.2.0/25 192.0.2.128/26", false},
		{"192.0.2.0/24", "", false},
		{"0.0.0.0/0", "0.0.0.0/1 128.0.0.0/1", true},
		{"2001:db8::/32", "2001:db8::/33 2001:db8:8000::/33", true},
		{"2001:db8::/32", "2001:db8::1/128", false},
	} {
		if got := covered(prefixes(t, tt.p)[0], prefixes(t, tt.by)); got != tt.want {
			t.Errorf("%s covered by %s: %t", tt.p, tt.by, got)
		}
	}
}

func TestName(t *testing.T) {
	n := 0
	name, err := Name(strings.NewReader("\xff\xea\x00\x01\x02\x03\x04abcde"), func(s string) bool { n++; return n == 1 })
	if err != nil || name == "L-23467" || !IsName(name) {
		t.Errorf("%q, %v: the first was taken", name, err)
	}
	if _, err := Name(strings.NewReader("abc"), func(string) bool { return false }); err == nil {
		t.Error("a name without randomness")
	}
	for _, s := range []string{"", "L-", "L-7Q2K", "L-7Q2KO", "l-7Q2KD", "L-7Q2KDD", "L-7Q2K\x1b"} {
		if IsName(s) {
			t.Errorf("%q is a name", s)
		}
	}
}

// A name may be typed in small letters and without L-; what is none stays none.
func TestNamed(t *testing.T) {
	for s, want := range map[string]string{
		"L-7Q2KD": "L-7Q2KD", "l-7q2kd": "L-7Q2KD", "7q2kd": "L-7Q2KD", "7Q2KD": "L-7Q2KD",
		"": "", "L-": "", "7q2k": "", "7q2ko": "", "L7Q2KD": "", "O-1a2b3c4d": "", "--7q2kd": "",
	} {
		if name, ok := Named(s); ok != (want != "") || ok && name != want {
			t.Errorf("%q is %q, %t", s, name, ok)
		}
	}
}

func TestTyped(t *testing.T) {
	for d, want := range map[time.Duration]string{8 * time.Hour: "8h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 45 * time.Second: "45s",
		time.Hour + time.Second: "1h0m1s", 20 * time.Hour: "20h", 100 * time.Second: "1m40s"} {
		if got := Typed(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
