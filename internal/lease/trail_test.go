package lease

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// The largest lease that can be asked for fits in a line, whatever its texts are.
func TestLargestEvent(t *testing.T) {
	for _, char := range []string{"<", "订", "\x01", "\xff", "😀"} {
		text := strings.Repeat(char, MaxText)
		a := Ask{Proto: "tcp", Port: 65535, For: MaxLong, Long: true, Who: text, Why: text}
		for i := range maxSources {
			a.From = append(a.From, netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:ff%02x", i)), 128))
		}
		a, err := Check(a)
		if err != nil {
			t.Fatal(err)
		}
		l := Begin("L-7Q2KD", a, Clock{})
		for range maxPasses {
			l.Passes = append(l.Passes, strings.Repeat("-m tcp ", 50))
		}
		if line, _, err := (Event{Kind: DidOpen, Lease: &l}).Line(); err != nil || len(line) > MaxEvent/2 {
			t.Errorf("%q: %d bytes, %v", char, len(line), err)
		}
	}
}
