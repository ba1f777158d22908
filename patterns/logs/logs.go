// Package logs holds what attacks leave in the logs of services: markers.yaml
// beside it, for people, of which the binary has only an encoded form. Logs of
// demine's own words would otherwise set off other scanners.
package logs

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"demine/internal/format/pattern"
)

//go:generate go run ./gen

//go:embed markers.bin
var encoded []byte

// Marker is one thing to look for.
type Marker struct {
	ID       string   `json:"id" yaml:"id"`
	Kind     string   `json:"kind" yaml:"kind"` // of the fact.LogEvent
	Service  string   `json:"service,omitempty" yaml:"service"`
	Strength string   `json:"strength" yaml:"strength"` // strong, weak
	Anchors  []string `json:"anchors" yaml:"anchors"`   // one of them stands in the line as it is logged
	Pattern  string   `json:"pattern" yaml:"pattern"`   // regular expression on the line with its escapes undone
}

// Load gives the markers in the order of markers.yaml. The error is that of a
// broken build.
func Load() ([]Marker, error) {
	b := append([]byte(nil), encoded...)
	pattern.Cloak(b)
	var ms []Marker
	if err := json.Unmarshal(b, &ms); err != nil {
		return nil, fmt.Errorf("decode markers: %w", err)
	}
	return ms, nil
}

// Encode gives what markers.bin has to hold.
func Encode(ms []Marker) ([]byte, error) {
	b, err := json.Marshal(ms)
	if err != nil {
		return nil, fmt.Errorf("encode markers: %w", err)
	}
	pattern.Cloak(b)
	return b, nil
}
