// Command gen makes markers.bin of markers.yaml in the folder patterns/logs;
// go generate runs it there.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"demine/patterns/logs"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	sources, err := read(dir)
	if err != nil {
		return err
	}
	b, err := encode(sources)
	if err != nil {
		return err
	}
	return os.WriteFile(dir+"/markers.bin", b, 0o644)
}

// source is one entry of markers.yaml.
type source struct {
	logs.Marker `yaml:",inline"`
	Why         string   `yaml:"why"`
	Origin      string   `yaml:"origin"`
	Match       []string `yaml:"match"` // lines in which it must be found
	Miss        []string `yaml:"miss"`  // and in which not
}

var errSource = errors.New("needs kind, strength, anchors, pattern, why, origin, and samples of both kinds")

func read(dir string) ([]source, error) {
	b, err := os.ReadFile(dir + "/markers.yaml")
	if err != nil {
		return nil, err
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	var s []source
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("markers.yaml: %w", err)
	}
	return s, nil
}

func encode(sources []source) ([]byte, error) {
	var ms []logs.Marker
	for _, s := range sources {
		if s.Kind == "" || s.Strength != "strong" && s.Strength != "weak" || len(s.Anchors) == 0 || s.Pattern == "" ||
			s.Why == "" || s.Origin == "" || len(s.Match) == 0 || len(s.Miss) == 0 {
			return nil, fmt.Errorf("marker %q: %w", s.ID, errSource)
		}
		ms = append(ms, s.Marker)
	}
	return logs.Encode(ms)
}
