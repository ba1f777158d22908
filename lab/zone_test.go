package lab

import (
	"testing"
	"time"
)

// TestZone: at any time of day, the minute of the intrusion is near and is 18:59 by the file that the host gets.
func TestZone(t *testing.T) {
	for s := 0; s < 24*3600; s += 7 {
		now := time.Date(2026, 11, 22, 0, 0, s, 0, time.UTC)
		minute, offset := zone(now)
		where, err := time.LoadLocationFromTZData("lab", tzif(offset))
		if err != nil {
			t.Fatalf("offset %d: %v", offset, err)
		}
		if got := minute.In(where).Format("15:04"); got != "18:59" {
			t.Fatalf("at %s the intrusion is at %s (offset %d)", now, got, offset)
		}
		if _, east := minute.In(where).Zone(); east != offset*60 {
			t.Fatalf("offset %d reads as %d s", offset, east)
		}
		if wait := minute.Add(lastSecond * time.Second).Sub(now); wait < prepare || wait > prepare+70*time.Second {
			t.Fatalf("at %s it has to be done in %s", now, wait)
		}
	}
}
