package respond

// Carry adds to a clean-up what earlier ones meant to do and did not: a step
// that failed, was not begun, or was cut off. A plan is made of what runs now,
// and a file that nothing runs any more would be forgotten. What such a step
// expects stays: if the host has changed since, Survey leaves it. A run that
// somebody has undone is not gone on with, nor a group of which the rest was
// put back; what harden does is found anew, or was asked for that once.
func Carry(p *Plan, runs []Run) {
	if p.Kind != KindClean {
		return
	}
	for i := len(runs) - 1; i >= 0; i-- {
		r := &runs[i]
		if r.Plan.Kind != p.Kind || r.undoing {
			continue
		}
		for _, s := range r.Plan.Steps {
			if s.Group != "" || !outlives(s) && r.Plan.Boot != p.Boot {
				continue
			}
			if state := r.Outcome(s.ID).State; state != Skipped && state != Failed && state != Intended {
				continue
			}
			if s.Phase == Disarm {
				s.Expect = nil // what differs now is what demine itself had begun
			}
			if !planned(p.Steps, s) && !doneSince(runs[i+1:], s) {
				p.Steps = append(p.Steps, s)
			}
		}
	}
	for i := range p.Steps {
		p.Steps[i].After = nil // numbers of another order
	}
	p.Steps = ordered(p.Steps)
}

// outlives: what the step is about is there after a reboot too.
func outlives(s Step) bool { return s.Phase == Remove || s.Phase == Repair }

func planned(steps []Step, s Step) bool {
	for i := range steps {
		if steps[i].Do == s.Do && steps[i].Target == s.Target {
			return true
		}
	}
	return false
}

func doneSince(later []Run, s Step) bool {
	for i := range later {
		for _, t := range later[i].Plan.Steps {
			state := later[i].Outcome(t.ID).State
			if t.Do == s.Do && t.Target == s.Target && (state == Done || state == Undone || state == Nothing) {
				return true
			}
		}
	}
	return false
}
