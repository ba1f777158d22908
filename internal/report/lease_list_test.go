package report

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"demine/internal/i18n"
	"demine/internal/lease"
)

// What a cell that was cut does not use of its column the reason has.
func TestLeasesNoColumnWasted(t *testing.T) {
	clock := lease.Clock{Wall: time.Unix(1795260000, 0), Boot: time.Hour, ID: "b"}
	ask := lease.Ask{Proto: "tcp", Port: 8080, For: 7*time.Hour + 59*time.Minute, Who: "order-team", Why: "ticket 812",
		From: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:1234::/48")}}
	l := &LeaseList{Leases: []lease.Lease{lease.Begin("L-7Q2KD", ask, clock)}, Clock: clock, Kept: true, Used: map[string]int{}}
	var b strings.Builder
	if err := Leases(&b, l, Options{Width: 80}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "ticket 812") {
		t.Error(b.String())
	}
}

// The time that is left is never cut, nothing is where the line has room for it,
// and no line is longer than that.
func TestLeasesFit(t *testing.T) {
	clock := lease.Clock{Wall: time.Unix(1795260000, 0), Boot: time.Hour, ID: "b"}
	ask := lease.Ask{Proto: "tcp", Port: 56380, For: 23*time.Hour + 59*time.Minute + 58*time.Second, Who: "order-team", Why: "ticket 812"}
	from := func(n int, who, why string) *LeaseList {
		ask := ask
		ask.Who, ask.Why = who, why
		for _, a := range []string{"203.0.113.107", "203.0.113.108", "203.0.113.109"}[:n] {
			ask.From = append(ask.From, netip.MustParsePrefix(a+"/32"))
		}
		return &LeaseList{Leases: []lease.Lease{lease.Begin("L-7Q2KD", ask, clock)}, Clock: clock, Kept: true, Used: map[string]int{}}
	}
	long := strings.Repeat("why not ", 12)
	for _, tt := range []struct {
		name  string
		list  *LeaseList
		width int
		cut   int
	}{
		{"short", from(1, "order-team", "ticket 812"), 80, 0},
		{"three sources on a wide line", from(3, "order-team", "ticket 812"), 120, 0},
		{"three sources", from(3, "order-team", "ticket 812"), 80, 2},
		{"a long reason beside one source", from(1, "order-team", long), 80, 2},
		{"a long reason on a wide line", from(1, "order-team", long), 120, 1},
		{"all is long", from(3, long, long), 80, 3},
	} {
		for lang, left := range map[string]string{i18n.English: "23 h 59 min", i18n.Chinese: "23 小时 59 分钟"} {
			var b strings.Builder
			if err := Leases(&b, tt.list, Options{Catalogue: i18n.Load(lang), Width: tt.width}); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); !strings.Contains(got, " "+left+" ") || strings.Count(got, "…") > tt.cut {
				t.Errorf("%s:\n%s", tt.name, got)
			}
			for line := range strings.Lines(b.String()) {
				if n := columns(strings.TrimSuffix(line, "\n")); n > tt.width {
					t.Errorf("%s: %d columns: %s", tt.name, n, line)
				}
			}
		}
	}
}
