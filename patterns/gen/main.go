// Command gen makes patterns.bin of the *.yaml files in the folder patterns;
// go generate runs it there.
package main

import (
	"fmt"
	"os"

	"demine/internal/format/pattern"
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
	return os.WriteFile(dir+"/patterns.bin", b, 0o644)
}

// encode gives what patterns.bin has to hold.
func encode(sources []source) ([]byte, error) {
	var ps []pattern.Pattern
	for _, s := range sources {
		p, err := s.pattern()
		if err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	if _, err := pattern.Compile(ps); err != nil {
		return nil, err
	}
	return pattern.Encode(ps)
}
