package judge

import (
	"slices"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/relate"
)

// Allowance is somebody's decision to let a miner be: a program, known by its
// content, run by one account, until a day. It says who decided, and why.
type Allowance struct {
	ID     string    `json:"id"`     // A1, A2 …
	SHA256 string    `json:"sha256"` // of the whole file: another version is another program
	Path   fact.Path `json:"path"`   // where it lay then, for people
	UID    int       `json:"uid"`    // who may run it
	User   string    `json:"user,omitempty"`
	Why    string    `json:"why"`
	Until  time.Time `json:"until"`
	Made   time.Time `json:"made"`
	By     string    `json:"by,omitempty"` // address from which it was made, or empty for a console
}

// Allowed is a finding that an Allowance took out of the Report.
type Allowed struct {
	Finding   Finding   `json:"finding"`
	Allowance Allowance `json:"allowance"`
}

// Allow takes out of a Report what is said of allowed miners: that they mine,
// and that a job starts them. What else they do, and where their files can be
// written by others, stays. An Allowance that has ended allows nothing.
func Allow(r Report, x *relate.Index, as []Allowance, now time.Time) Report {
	as = slices.DeleteFunc(slices.Clone(as), func(a Allowance) bool { return !now.Before(a.Until) })
	if len(as) == 0 {
		return r
	}
	var kept []Finding
	for _, f := range r.Findings {
		if a := allowance(f, x, as); a != nil {
			r.Allowed = append(r.Allowed, Allowed{f, *a})
		} else {
			kept = append(kept, f)
		}
	}
	r.Findings = kept
	return r
}

// OfMiner: the rule says no more than that a program mines, or that something
// starts one that does.
func OfMiner(id string) bool {
	return strings.HasPrefix(id, "mining/") || strings.HasPrefix(id, "deep/") || id == "persistence/cron-starts-miner"
}

func allowance(f Finding, x *relate.Index, as []Allowance) *Allowance {
	if !OfMiner(f.Rule) {
		return nil
	}
	for _, ref := range append([]fact.Ref{f.Subject}, f.About...) {
		for i := range as {
			if as[i].covers(ref, x) {
				return &as[i]
			}
		}
	}
	return nil
}

// covers: the process runs that very content as that account, or the file has
// it and belongs to that account.
func (a *Allowance) covers(ref fact.Ref, x *relate.Index) bool {
	if p := x.Process(ref); p != nil {
		image := x.Image(p)
		return image != nil && image.SHA256 != "" && image.SHA256 == a.SHA256 && p.UID == a.UID && p.RUID == a.UID
	}
	f := x.File(ref)
	return f != nil && f.SHA256 != "" && f.SHA256 == a.SHA256 && f.UID == a.UID
}

// CanAllow gives what an Allowance needs to know of the program that a finding
// accuses; ok is false when the finding is of no miner, or nobody read the
// program whole.
func CanAllow(f Finding, x *relate.Index) (a Allowance, ok bool) {
	if !OfMiner(f.Rule) {
		return a, false
	}
	if p := x.Process(f.Subject); p != nil {
		image := x.Image(p)
		if image == nil || image.SHA256 == "" || p.UID != p.RUID {
			return a, false
		}
		return Allowance{SHA256: image.SHA256, Path: p.Exe, UID: p.UID, User: p.User}, true
	}
	file := x.File(f.Subject)
	if file == nil || file.SHA256 == "" {
		return a, false
	}
	return Allowance{SHA256: file.SHA256, Path: file.Path, UID: file.UID, User: file.Owner}, true
}
