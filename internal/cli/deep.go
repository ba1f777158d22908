package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"demine/internal/agent"
	"demine/internal/fact"
)

// deep takes --deep and --yara into what to look at.
func (a *app) deep(f *scanFlags, want *agent.Want) error {
	for _, p := range f.deep {
		at, err := filepath.Abs(p)
		if err == nil {
			_, err = os.Stat(at)
		}
		if err != nil {
			return misused("demine scan --deep /srv", "cli.bad-deep", "path", p, "error", reason(err))
		}
		want.Deep = append(want.Deep, fact.Path(at))
	}
	var files []agent.YaraSource
	for _, name := range f.yara {
		text, err := readRules(name)
		if err != nil {
			return misused("demine scan --yara FILE", "cli.bad-yara", "error", name+": "+reason(err))
		}
		files = append(files, agent.YaraSource{Name: name, Text: text})
	}
	if len(files) == 0 {
		return nil
	}
	var err error
	if want.Yara, err = agent.ParseYara(files...); err != nil {
		return misused("demine scan --yara FILE", "cli.bad-yara", "error", err.Error())
	}
	return nil
}

// readRules reads a file; what is too large is cut and refused by who parses it.
func readRules(name string) ([]byte, error) {
	r, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	const most = 32 << 20
	return io.ReadAll(io.LimitReader(r, most))
}

// reason is an error without the name that it is about.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
