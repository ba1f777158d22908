package respond

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/relate"
)

// noTables is the marker of nf_tables where nfnetlink answers that it has no such
// subsystem.
type noTables struct{}

func (noTables) there() (bool, error) { return false, nil }

func (noTables) admit(context.Context, time.Time, uint32, time.Time, []Doorway, []Admission) error {
	return unix.EINVAL
}

func (noTables) edit(func(leases) (leases, error)) error { return errNoLeases }

func (noTables) read([]fact.Ruleset) (leases, error) { return leases{}, nil }

func (noTables) retire(context.Context, []fact.Ruleset) error { return nil }

// aloneHost is a host with iptables-legacy, on a kernel whose nf_tables holds no
// leases.
func aloneHost(t *testing.T, list string) (*filterLab, leaseHost) {
	t.Helper()
	l := newFilterLab(t)
	for _, h := range leaseHosts() {
		if h.alone {
			h.load(l)
			l.filter = liveFilter{markers: []marker{noTables{}, xtMarker{list}}}
			return l, h
		}
	}
	t.Fatal("no such host")
	return nil, leaseHost{}
}

var legacyTools = []string{"iptables-legacy", "ip6tables-legacy"}

func (l *filterLab) save() (texts []string) {
	for _, tool := range legacyTools {
		texts = append(texts, l.sh(tool+"-save", ""))
	}
	return texts
}

func (l *filterLab) restore(texts []string) {
	for i, tool := range legacyTools {
		l.sh(tool+"-restore", texts[i])
	}
}

// Rules that were saved while there were leases load again. Over those in force
// they change nothing; after a flush, and after a boot, they let nobody in, hold
// no lease, and make room for those that are put back.
func TestAdmitSavedLegacy(t *testing.T) {
	l, h := aloneHost(t, xtLeaseList)
	before := l.inForce()
	a4, a6 := h.admission("L-4", labApp4+"/32", time.Hour), h.admission("L-6", labApp6+"/64", time.Hour)
	a6.Cut = true
	l.admit(h, a4, a6)
	saved := l.save()
	l.restore(saved)
	l.mustReach(labApp4, h.port)
	l.mustReach(labApp6, h.port)
	if got := l.admitted(); len(got.Admissions) != 2 || len(got.Cut) != 1 || got.Mark != testBit {
		t.Errorf("loaded again: %+v", got)
	}
	fresh, _ := aloneHost(t, xtLeaseList)
	for _, x := range []*filterLab{l, fresh} {
		for _, tool := range legacyTools {
			x.sh(tool+" -t mangle -F", "")
		}
		x.restore(saved)
		for _, c := range labClients {
			x.mustNotReach(c, h.port)
		}
		if got := x.admitted(); len(got.Admissions)+len(got.Cut) != 0 || got.Mark != 0 || len(got.Doorways) != len(h.doors) {
			t.Errorf("loaded after a flush or a boot: %+v", got)
		}
		x.admit(h, a4)
		x.mustReach(labApp4, h.port)
		x.mustNotReach(labApp6, h.port)
		x.must(func() error { return x.filter.Retire(context.Background()) })
	}
	if diff := cmp.Diff(before, l.inForce()); diff != "" {
		t.Errorf("the filter is not as it was:\n%s", diff)
	}
}

// A rule that somebody made twice is closed twice; another lease stays.
func TestDismissTwice(t *testing.T) {
	l, h := aloneHost(t, "")
	a, b := h.admission("L-4", labApp4+"/32", time.Hour), h.admission("L-E", labEvil4+"/32", time.Hour)
	l.admit(h, a, b)
	again := ""
	for line := range strings.Lines(l.save()[0]) {
		if rule, ok := strings.CutPrefix(line, "-A "+relate.LeaseChain+" "); ok && strings.Contains(rule, "L-4") {
			again = rule
		}
	}
	l.sh("iptables-legacy -t mangle -A "+relate.LeaseChain+" "+again, "")
	l.dismiss(a)
	l.mustNotReach(labApp4, h.port)
	l.mustReach(labEvil4, h.port)
	if left := l.save()[0]; strings.Contains(left, "L-4") {
		t.Error(left)
	}
}

// Where there is no such list, saved rules end with the date in them.
func TestAdmitSavedByDate(t *testing.T) {
	l, h := aloneHost(t, "no/list") // a name that the kernel refuses
	fresh, _ := aloneHost(t, "")
	end := time.Now().Add(3 * time.Second)
	l.admit(h, h.admission("L-4", labApp4+"/32", time.Until(end)), h.admission("L-6", labApp6+"/64", time.Until(end)))
	saved := l.save()
	if !strings.Contains(saved[0], "--datestop 20") || strings.Contains(saved[0], "recent") {
		t.Fatal(saved[0])
	}
	time.Sleep(time.Until(end.Add(xtTick)))
	fresh.restore(saved)
	for _, x := range []*filterLab{l, fresh} {
		for _, c := range labClients {
			x.mustNotReach(c, h.port)
		}
		if got := x.admitted(); len(got.Admissions) != 0 {
			t.Errorf("over, and still told: %+v", got)
		}
	}
}

// What is in force is read as what was asked for, whichever its prefix is, and an
// end that is not changed stays to the second.
func TestAdmittedLegacy(t *testing.T) {
	l, h := aloneHost(t, xtLeaseList)
	var want []Admission
	for i, from := range []string{"0.0.0.0/0", "10.0.0.0/8", "203.0.113.9/32", "::/0", "2001:db8::/33", "fd77::2/128"} {
		want = append(want, Admission{"L-" + string(rune('A'+i)), []string{"tcp", "udp"}[i%2], 100 + i, netip.MustParsePrefix(from), time.Hour, i == 2})
	}
	l.admit(h, want...)
	dates := func() string {
		var out []string
		for line := range strings.Lines(strings.Join(l.save(), "")) {
			if strings.Contains(line, "--datestop") {
				out = append(out, line)
			}
		}
		return strings.Join(out, "")
	}
	was := dates()
	l.admit(h, want[0])
	l.dismiss(want[0])
	for line := range strings.Lines(dates()) {
		if !strings.Contains(was, line) {
			t.Errorf("changed: %s", line)
		}
	}
	got := l.admitted()
	for i := range got.Admissions {
		left := &got.Admissions[i].Left
		if *left > time.Hour || *left < time.Hour-time.Minute {
			t.Errorf("%v left", *left)
		}
		*left = time.Hour
	}
	byLease := cmp.Transformer("byLease", func(as []Admission) map[string]Admission {
		out := map[string]Admission{}
		for _, a := range as {
			out[a.Lease] = a
		}
		return out
	})
	if diff := cmp.Diff(want[1:], got.Admissions, prefixEqual, byLease); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Admission{want[2].ended()}, got.Cut, prefixEqual); diff != "" {
		t.Error(diff)
	}
}

// The engine that proves leases follows what is in force.
func TestAdmitProvenLegacy(t *testing.T) {
	l, h := aloneHost(t, xtLeaseList)
	look := func() *relate.Net { return relate.NetOf(&fact.Snapshot{Firewall: l.rules(), Taken: time.Now()}) }
	before := look()
	from := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	d := relate.Door{Proto: "tcp", Addr: netip.IPv4Unspecified(), Port: h.port}
	places, _, ok := before.Doorways(d, from, testBit)
	if !ok || len(places) != 1 || places[0].N != h.doors[0].At.N {
		t.Fatalf("places: %+v", places)
	}
	l.admit(h, Admission{"L-1", "tcp", h.port, from[0], time.Hour, false})
	if p := look().Admits(before, d, from, testBit); !p.Opens || len(p.Others) > 0 {
		t.Errorf("%+v", p)
	}
	l.sh("iptables-legacy -t mangle -A PREROUTING -j MARK --set-mark 0", "") // somebody takes the mark away
	if p := look().Admits(before, d, from, testBit); p.Opens {
		t.Errorf("without the mark: %+v", p)
	}
	l.mustNotReach(labEvil4, h.port)
}

// Of those that a kernel may be asked to cut, this one refuses none; one that does
// not know the request answers as it does here to a request that is none.
func TestMayCut(t *testing.T) {
	a := Admission{Lease: "L-1", Proto: "tcp", Port: 1, From: netip.MustParsePrefix("10.0.0.1/32"), Cut: true}
	if err := LiveFilter().MayCut([]Admission{a}); err != nil {
		t.Error(err)
	}
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Execute(diagRequest(sockDestroy+1, netlink.Acknowledge, unix.AF_INET, make([]byte, sockID))); !noDestroy(err) {
		t.Errorf("a request that is none: %v", err)
	}
}

// What the chain holds is told from any rule that somebody puts into it.
func FuzzLegacyAdmission(f *testing.F) {
	f.Add("tcp", uint16(6380), uint16(6380), "203.0.113.0/24", "L-1", "time < 1795456800", uint32(0x100), false)
	f.Add("udp", uint16(0), uint16(0), "", "", "", uint32(0), true)
	f.Add("udp", uint16(1), uint16(0), "", "", "time", uint32(0), true)
	f.Fuzz(func(t *testing.T, proto string, from, to uint16, src, comment, word string, mark uint32, drops bool) {
		r := fact.Rule{Proto: proto, DPort: []fact.PortRange{{From: from, To: to}}, Comment: comment, Unknown: []string{word},
			SetMark: fact.Mark{Value: mark, Mask: mark}, Verdict: map[bool]string{true: "drop", false: "continue"}[drops]}
		if p, err := netip.ParsePrefix(src); err == nil {
			r.Src = append(r.Src, p)
		}
		now := time.Unix(1795450000, 0)
		a, ok := xtAdmissionOf("ip", &r, now)
		if _, ends := relate.EndOf(&r); ok && (!drops && !ends || a.Port < 1 || from != to || a.Left < 0 || a.Proto != proto) {
			t.Errorf("%+v of %+v", a, r)
		}
	})
}
