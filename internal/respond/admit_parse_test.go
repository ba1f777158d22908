package respond

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An element comes back as it was written, but for its time, which the kernel
// counts elsewhere.
func TestElement(t *testing.T) {
	for _, a := range []Admission{
		{Lease: "L-7Q2K", Proto: "tcp", Port: 6380, From: netip.MustParsePrefix("203.0.113.0/24"), Left: time.Hour},
		{Lease: "", Proto: "udp", Port: 65535, From: netip.MustParsePrefix("::/0"), Left: time.Second},
	} {
		f, ok := formOf(a.form().set(""))
		if !ok || f != a.form() {
			t.Errorf("set of %v: %v", a, f)
		}
		got, ok := admissionOf(f, cutAttrs(cutAttrs(a.element(true))[0].data))
		a.Left = 0
		if diff := cmp.Diff(a, got, prefixEqual); !ok || diff != "" {
			t.Errorf("%v: %s", a, diff)
		}
	}
	for _, name := range []string{"ip_33", "ip_-1", "ip_032", "ip6_129", "cut_ip_32", "", "ip_"} {
		if f, ok := formOf(name); ok {
			t.Errorf("%q is %v", name, f)
		}
	}
}

// Two leases of the same source and port are one element: what another has taken
// over is not ended, and is not cut.
func TestDismissed(t *testing.T) {
	a := Admission{Lease: "L-A", Proto: "tcp", Port: 1, From: netip.MustParsePrefix("10.0.0.1/32"), Left: time.Hour, Cut: true}
	b := a
	b.Lease, b.Left = "L-B", 2*time.Hour
	have := with(t, with(t, leases{}, a), b)
	if diff := cmp.Diff([]Admission{b}, have.admissions, prefixEqual); diff != "" {
		t.Fatal(diff)
	}
	left, cut := have.dismissed([]Admission{a})
	if len(left.admissions) != 1 || len(left.cut) != 1 || len(cut) != 0 {
		t.Errorf("another's: %+v %+v", left, cut)
	}
	left, cut = left.dismissed([]Admission{b})
	if len(left.admissions) != 0 || len(left.cut) != 1 || len(cut) != 1 {
		t.Errorf("its own: %+v %+v", left, cut)
	}
	if left = left.resolved(cut); len(left.cut) != 0 {
		t.Errorf("resolved: %+v", left)
	}
	again := with(t, left, b)
	if again = again.resolved(cut); len(again.cut) != 1 {
		t.Errorf("opened again meanwhile: %+v", again)
	}
}

func FuzzAdmissionOf(f *testing.F) {
	f.Add([]byte{}, 32, false)
	a := Admission{Lease: "L-7Q2K", Proto: "tcp", Port: 6380, From: netip.MustParsePrefix("2001:db8::/64"), Left: time.Hour}
	f.Add(cutAttrs(a.element(true))[0].data, 64, true)
	f.Fuzz(func(t *testing.T, b []byte, bits int, v6 bool) {
		form := form{v6, bits}
		if a, ok := admissionOf(form, cutAttrs(b)); ok && (a.Proto != "tcp" && a.Proto != "udp" || a.From.Addr().Is6() != v6 || a.Left < 0) {
			t.Errorf("%+v", a)
		}
	})
}

func FuzzDumpParts(f *testing.F) {
	f.Add([]byte{20, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, false)
	f.Add(make([]byte, 80), true)
	f.Fuzz(func(t *testing.T, b []byte, diag bool) {
		_, _ = parts(b, func(body []byte) {
			if diag && len(body) >= diagAnswerHead+sockID {
				socketTuple(body)
			}
			if len(body) >= 4 && !diag {
				tupleOf(cutAttrs(body[4:]).get(ctaOrig))
			}
		})
	})
}

func with(t *testing.T, l leases, a Admission) leases {
	t.Helper()
	l, err := l.with(testBit, time.Now(), []Admission{a})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestFirewalldRule(t *testing.T) {
	a := Admission{Proto: "udp", Port: 53, From: netip.MustParsePrefix("2001:db8::/33")}
	for left, want := range map[time.Duration]string{8*time.Hour - 7*time.Millisecond: "8h", 90 * time.Minute: "90m", 61 * time.Second: "61s"} {
		a.Left = left
		rule := `firewall-cmd --add-rich-rule='rule family="ipv6" source address="2001:db8::/33" port port="53" protocol="udp" accept' --timeout=` + want
		if got := firewalldRule(a); got != rule {
			t.Errorf("got %s, want %s", got, rule)
		}
	}
}
