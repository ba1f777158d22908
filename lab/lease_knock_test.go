//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// caller is one who asks for a connection: from an address outside to a port of the host.
type caller struct {
	from string
	port int
}

func (k caller) String() string { return fmt.Sprintf("%s to %d", k.from, k.port) }

// of is the host's address in the family of one outside.
func of(from string) string {
	if strings.Contains(from, ":") {
		return HostV6
	}
	return HostV4
}

// The tenant may come in by lease; the stranger never may.
var (
	tenant   = []string{DeveloperV4, DeveloperV6}
	stranger = []string{IntruderV4, IntruderV6}
)

// callers are all of these addresses at all of these ports.
func callers(from []string, ports ...int) (all []caller) {
	for _, f := range from {
		for _, p := range ports {
			all = append(all, caller{f, p})
		}
	}
	return all
}

// outcomes knocks, all at once, for silence takes long.
func outcomes(t *testing.T, h *Host, all []caller) map[caller]string {
	t.Helper()
	got := map[caller]string{}
	var mine sync.Mutex
	var done sync.WaitGroup
	for _, k := range all {
		done.Go(func() {
			_, how, err := h.Knock(t.Context(), k.from, of(k.from), k.port)
			if err != nil {
				how = err.Error()
			}
			mine.Lock()
			defer mine.Unlock()
			got[k] = how
		})
	}
	done.Wait()
	return got
}

// passed says whether a knock came through the filter. One at a port where nobody listens is then refused: none of the
// filters here refuses by itself.
func passed(how string) bool { return strings.HasPrefix(how, "open") || how == "refused" }

// allAre wants all of them let in and answered, or none of them let in, and says at which time of the story it is not so.
func allAre(t *testing.T, h *Host, when string, in bool, all []caller) {
	t.Helper()
	for k, how := range outcomes(t, h, all) {
		if in && !strings.HasPrefix(how, "open") || !in && passed(how) {
			t.Errorf("%s: %s: %s", when, k, how)
		}
	}
}

// try is one connection of world's watch.
type try struct {
	Began, Ended time.Time
	Late         float64 `json:"late_s"`
	How          string
}

// eye is on a port that one outside tries each tenth of a second.
type eye struct {
	caller
	seen chan []try
}

// watch begins to try, until end.
func watch(t *testing.T, h *Host, k caller, end time.Time) *eye {
	t.Helper()
	e := &eye{k, make(chan []try, 1)}
	to := net.JoinHostPort(of(k.from), strconv.Itoa(k.port))
	go func() {
		defer close(e.seen)
		text, err := h.must(t.Context(), h.World, "", "/opt/lab/world", "watch", "-from", k.from, "-to", to, "-until", fmt.Sprint(end.UnixMilli()))
		if err != nil {
			t.Errorf("watch %s: %v", k, err)
			return
		}
		var all []try
		for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
			var x try
			if err := d.Decode(&x); err != nil {
				t.Errorf("watch %s: %v", k, err)
				return
			}
			all = append(all, x)
		}
		slices.SortFunc(all, func(a, b try) int { return a.Began.Compare(b.Began) })
		e.seen <- all
	}()
	return e
}

// tries are what came of it, in the order in which they began.
func (e *eye) tries(t *testing.T) []try {
	t.Helper()
	all := <-e.seen
	if len(all) == 0 {
		t.Fatalf("watch %s: no try", e.caller)
	}
	return all
}

// checkEnd: it was open until its end, and never a second after it. It gives when the last came in, from the end on. A
// machine that was busy may have made the last ones late; then only that they are not too late counts.
func checkEnd(t *testing.T, k caller, all []try, end time.Time) (last time.Duration) {
	t.Helper()
	last = -time.Hour
	shut, lag := 0, time.Duration(0)
	for _, x := range all {
		from := x.Began.Sub(end)
		if passed(x.How) {
			last = max(last, from)
			lag = max(lag, x.Ended.Sub(x.Began))
		} else if from < -2*time.Second {
			shut++
		}
		lag = max(lag, time.Duration(x.Late*float64(time.Second)))
	}
	if last > time.Second {
		t.Errorf("%s: let in %s after the end", k, last)
	}
	if lag < time.Second && (shut > 0 || last < -2*time.Second) {
		t.Errorf("%s: %d of %d times not let in although there was time; the last was %s", k, shut, len(all), last)
	}
	return last
}

func holdAt(t *testing.T, h *Host, port int) *Held {
	t.Helper()
	held, err := h.Hold(t.Context(), DeveloperV4, HostV4, port)
	if err != nil {
		t.Fatal(err)
	}
	answers(t, held, true, "just connected")
	return held
}

// answers: a connection from before goes on, or does not.
func answers(t *testing.T, c *Held, want bool, when string) {
	t.Helper()
	how, err := c.Ping(t.Context())
	if err != nil || (how != "closed" && how != "timeout") != want {
		t.Errorf("%s: a connection from before says %q, %v", when, how, err)
	}
}
