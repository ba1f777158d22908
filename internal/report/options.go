// Package report writes a Scan for its readers: text for people, in two
// languages, and JSON for scripts. It decides wording and layout, never what
// is true: every word of the host passes i18n.Clean before it is shown.
package report

import (
	"time"

	"demine/internal/explain"
	"demine/internal/i18n"
)

// Options say how to write for people.
type Options struct {
	Catalogue *i18n.Catalogue
	Color     bool
	ASCII     bool // no character beyond ASCII
	Width     int  // columns; 0 is 80
	// Now is the host's clock, for what carries no Scan: times are shown in its
	// zone and by their distance from it. Zero: in UTC, and none is over.
	Now time.Time
}

func (o Options) width() int {
	if o.Width <= 0 {
		return 80
	}
	return max(40, o.Width)
}

// hostTime is a moment in the zone of the host that was looked at.
func hostTime(s *explain.Scan, t time.Time) time.Time {
	return t.In(time.FixedZone(s.Host.Zone, s.Host.Offset))
}

// Colours as ANSI SGR codes (ECMA-48).
const (
	bold   = "1"
	red    = "1;31"
	green  = "32"
	yellow = "1;33"
	dim    = "2"
)
