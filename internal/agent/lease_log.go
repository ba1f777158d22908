package agent

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"demine/internal/lease"
)

// logLine is an event for the system log: names and values that programs search
// for, the same in every language. What people typed is quoted.
// Its sum and the folder of the trail come first, and what may be long comes last:
// some logs cut off long lines.
func logLine(e *lease.Event, sum, state string) string {
	var b strings.Builder
	add := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, " %s=%s", name, value)
		}
	}
	b.WriteString("lease")
	add("event", e.Kind)
	add("trail", sum)
	add("state", strconv.QuoteToASCII(state))
	add("doing", e.Doing)
	add("id", e.ID)
	if e.By != nil {
		add("by", strconv.QuoteToASCII(e.By.Account))
		add("peer", e.By.Peer)
	}
	if l := e.Lease; l != nil {
		add("port", fmt.Sprintf("%d/%s", l.Port, l.Proto))
		var from []string
		for _, p := range l.From {
			from = append(from, p.String())
		}
		add("from", strings.Join(from, ","))
		add("until", l.Until.UTC().Format(time.RFC3339))
		add("who", strconv.QuoteToASCII(l.Who))
		add("reason", strconv.QuoteToASCII(l.Why))
	}
	if e.Why != "" {
		add("why", strconv.QuoteToASCII(e.Why))
	}
	return b.String()
}
