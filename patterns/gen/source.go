package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"demine/internal/format/pattern"

	"go.yaml.in/yaml/v3"
)

// source is one entry of a *.yaml file.
type source struct {
	ID       string   `yaml:"id"`
	Strength string   `yaml:"strength"`
	Hex      string   `yaml:"hex"`
	Text     string   `yaml:"text"`
	NoCase   bool     `yaml:"nocase"`
	Why      string   `yaml:"why"`
	Origin   string   `yaml:"origin"`
	Match    []string `yaml:"match"` // samples in which it must be found
	Miss     []string `yaml:"miss"`  // and in which not
}

// read gives the entries of all files, by ID.
func read(dir string) ([]source, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no *.yaml in %s", dir)
	}
	var all []source
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			return nil, err
		}
		d := yaml.NewDecoder(bytes.NewReader(b))
		d.KnownFields(true)
		var s []source
		if err := d.Decode(&s); err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		all = append(all, s...)
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

var errSource = errors.New("needs one of hex and text, why, origin, and samples of both kinds")

func (s source) pattern() (pattern.Pattern, error) {
	if (s.Hex == "") == (s.Text == "") || s.Why == "" || s.Origin == "" || len(s.Match) == 0 || len(s.Miss) == 0 {
		return pattern.Pattern{}, fmt.Errorf("pattern %q: %w", s.ID, errSource)
	}
	b := []byte(s.Text)
	if s.Hex != "" {
		var err error
		if b, err = hex.DecodeString(s.Hex); err != nil {
			return pattern.Pattern{}, fmt.Errorf("pattern %q: %w", s.ID, err)
		}
	}
	return pattern.Pattern{ID: s.ID, Strength: s.Strength, Bytes: b, NoCase: s.NoCase}, nil
}

// sample is the bytes of one sample.
func sample(s string) ([]byte, error) {
	if h, ok := strings.CutPrefix(s, "hex:"); ok {
		return hex.DecodeString(h)
	}
	return []byte(s), nil
}
