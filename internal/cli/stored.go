package cli

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"demine/causes"
	"demine/internal/agent"
	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/judge"
	"demine/rules"
)

// A stored Scan with its snapshot is about 10 MiB on a busy host.
const maxStored = 256 << 20

// stored reads a Scan. One with its facts is judged again, by the rules of this
// demine.
func (a *app) stored(ctx context.Context, file string) (*explain.Scan, error) {
	r := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if i, err := f.Stat(); err == nil && i.Size() > maxStored {
			return nil, failed("cli.too-large", "file", file, "limit", maxStored)
		}
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxStored+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxStored {
		return nil, failed("cli.too-large", "file", file, "limit", maxStored)
	}
	var s explain.Scan
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, failed("cli.bad-file", "file", file, "error", err.Error())
	}
	if s.Schema != fact.SchemaVersion {
		return nil, failed("cli.bad-schema", "file", file, "schema", s.Schema, "known", fact.SchemaVersion)
	}
	if s.Snapshot == nil {
		return &s, nil
	}
	return rejudged(ctx, &s)
}

func rejudged(ctx context.Context, old *explain.Scan) (*explain.Scan, error) {
	rs, err := judge.LoadRules(rules.FS)
	if err != nil {
		return nil, err
	}
	cs, err := explain.LoadCauses(causes.FS)
	if err != nil {
		return nil, err
	}
	var allowed []judge.Allowance
	for _, a := range old.Allowed {
		allowed = append(allowed, a.Allowance)
	}
	s, err := agent.Rejudge(ctx, old.Snapshot, rs, cs, allowed)
	if err != nil {
		return nil, err
	}
	s.Took, s.Snapshot = old.Took, old.Snapshot
	return s, nil
}
