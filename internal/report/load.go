package report

import (
	"cmp"
	"slices"

	"demine/internal/explain"
)

// load says what the machine is really busy with, miner or not, and who uses
// most. Shares are of the whole machine, for processes too, so that they can
// be compared.
func (p *printer) load() string {
	l := &p.s.Load
	line := l.Line
	if !p.c.Has(line.ID) {
		line.ID = "load.unknown"
	}
	var parts []string
	for _, b := range p.largest() {
		parts = append(parts, p.loadBy(&b))
	}
	if len(parts) == 0 {
		return p.text(line)
	}
	return p.text(line) + p.say("load.mainly", "what", join(p.say("item.sep"), parts...))
}

// largest gives the parts of the load that matter, at most three.
func (p *printer) largest() []explain.LoadBy {
	var out []explain.LoadBy
	for _, b := range p.s.Load.By {
		b.Percent = p.share(&b)
		if b.Percent >= 1 && (b.What == "process" || p.c.Has("load.by."+b.What)) {
			out = append(out, b)
		}
	}
	slices.SortStableFunc(out, func(a, b explain.LoadBy) int { return -cmp.Compare(a.Percent, b.Percent) })
	return out[:min(3, len(out))]
}

// share is the part of the whole machine.
func (p *printer) share(b *explain.LoadBy) float64 {
	if b.What == "process" {
		return b.Percent / float64(max(1, p.s.Load.CPUs))
	}
	return b.Percent
}

func (p *printer) loadBy(b *explain.LoadBy) string {
	return p.say("load.by."+b.What, "name", b.Name, "pid", b.PID, "share", b.Percent)
}
