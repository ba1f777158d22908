package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// LoadReport is the file in the world to which the customers' waiting times go, a JSON line a second.
const LoadReport = "/var/log/load.jsonl"

// Wait is one second of the customers' experience.
type Wait struct {
	At     time.Time `json:"at"`
	Orders int       `json:"orders"`
	Failed int       `json:"failed"`
	P50    float64   `json:"p50_ms"`
	P95    float64   `json:"p95_ms"`
}

// Waiting is their experience over time; two reports, of IPv4 and of IPv6, come a second.
type Waiting []Wait

// Waits reads what the customers have reported so far.
func (h *Host) Waits(ctx context.Context) (Waiting, error) {
	text, err := h.must(ctx, h.World, "", "cat", LoadReport)
	if err != nil {
		return nil, err
	}
	var all Waiting
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var w Wait
		if err := d.Decode(&w); err != nil {
			break // the last line may still be in the writing
		}
		all = append(all, w)
	}
	return all, nil
}

// Summary is what customers had of a stretch of time: of P50 and P95, the median over its seconds.
type Summary struct {
	Orders, Failed int
	P50, P95       float64 // milliseconds
}

func (s Summary) String() string {
	return fmt.Sprintf("%d orders, %d failed, p50 %.1f ms, p95 %.1f ms", s.Orders, s.Failed, s.P50, s.P95)
}

// Summary sums up the reports from one time up to, but not at, another.
func (w Waiting) Summary(from, to time.Time) Summary {
	var s Summary
	var p50, p95 []float64
	for _, second := range w {
		if second.At.Before(from) || !second.At.Before(to) {
			continue
		}
		s.Orders += second.Orders
		s.Failed += second.Failed
		if second.Orders > 0 { // nobody waited, nobody knows
			p50, p95 = append(p50, second.P50), append(p95, second.P95)
		}
	}
	s.P50, s.P95 = median(p50), median(p95)
	return s
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}
