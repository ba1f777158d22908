package lease

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"demine/internal/fact"
	"demine/internal/relate"
)

// The largest lease that can be asked for fits in a line, whatever its texts are.
func TestLargestEvent(t *testing.T) {
	for _, char := range []string{"<", "订", "\x01", "\xff", "😀", `"`, "\u2028"} {
		text := "x" + strings.Repeat(char, MaxText-1)
		a := Ask{Proto: "tcp", Port: 65535, For: MaxLong, Long: true, Who: text, Why: text}
		for i := range maxSources {
			a.From = append(a.From, netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:ff%02x", i)), 128))
		}
		a, err := Check(a)
		if err != nil {
			t.Fatal(err)
		}
		l := Begin("L-7Q2KD", a, Clock{})
		passed := relate.Barrier{Chain: "ip filter INPUT", Rules: []*fact.Rule{{Text: strings.Repeat(char, 400)}}}.String()
		for range maxPasses {
			l.Passes = append(l.Passes, passed)
		}
		if line, _, err := (Event{Kind: DidOpen, Lease: &l}).Line(); err != nil || len(line) > MaxEvent*4/5 {
			t.Errorf("%q: %d bytes, %v", char, len(line), err)
		}
	}
}

// What stands in a line is what was written, whichever characters an earlier demine
// wrote as numbers: the chain goes on behind it.
func TestLineAfterEscaped(t *testing.T) {
	e := Event{N: 1, Kind: DidFail, Why: "<nobody>"}
	earlier, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	line, _, err := Event{N: 2, Kind: DidFail, Why: e.Why, Prev: Sum(earlier)}.Line()
	if err != nil || !strings.Contains(string(line), e.Why) || strings.Contains(string(earlier), e.Why) {
		t.Fatalf("%s, %v", line, err)
	}
	var told []string
	v, err := Verify(strings.NewReader(string(earlier)+"\n"+string(line)+"\n"), func(e Event) { told = append(told, e.Why) })
	if err != nil || v.Lines != 2 || v.Broken != 0 || !slices.Equal(told, []string{e.Why, e.Why}) {
		t.Errorf("%+v, %q, %v", v, told, err)
	}
}
