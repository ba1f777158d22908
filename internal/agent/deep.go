package agent

import (
	"context"

	"demine/internal/fact"
	"demine/internal/format/yara"
	"demine/internal/observe"
)

// YaraSource is one file of YARA rules.
type YaraSource = yara.Source

// YaraRules are compiled YARA rules.
type YaraRules = yara.Rules

// ParseYara compiles files of YARA rules as one set. The error names file and
// line of what is wrong, or not supported.
func ParseYara(files ...YaraSource) (*YaraRules, error) { return yara.Parse(files...) }

// deep searches folders, and then asks whose the files are that hold something:
// also when the search was interrupted, for what it found is told.
func (a *Agent) deep(ctx context.Context, snap *fact.Snapshot, w Want, ev func(Event)) *fact.Snapshot {
	d := &observe.Deep{Roots: w.Deep, Told: func(files, bytes int64) {
		ev(Event{Kind: "deep", Files: files, Bytes: bytes})
	}}
	snap = observe.Run(ctx, a.h, observers(named("tree")), observe.Scope{Deep: d, Yara: w.Yara}, snap)
	return observe.Run(context.WithoutCancel(ctx), a.h, observers(named("package")), observe.Scope{}, snap)
}

func observers(pick func(*observe.Observer) bool) (obs []*observe.Observer) {
	for _, o := range observe.All {
		if pick(o) {
			obs = append(obs, o)
		}
	}
	return obs
}
