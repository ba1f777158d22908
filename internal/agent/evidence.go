package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/store"
)

// Evidence asks for a bundle of evidence.
type Evidence struct {
	Cap int64 // bytes of the bundle at most; 0: EvidenceCap
	Raw bool  // histories, settings and logs with the secrets in them
}

// EvidenceCap is how large a bundle grows by default.
const EvidenceCap = 50 << 20

// How much of each kind of file is kept, in bytes.
const (
	mostImplant = 32 << 20
	mostDump    = 1 << 20 // of a file that Redis wrote: the head
	mostLog     = 5 << 20 // its end
	mostText    = 1 << 20
)

// Bundle is what was written.
type Bundle struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // of all that was written, to be shown and kept elsewhere
	Manifest
}

// Evidence writes a bundle (tar, gzip) of what an investigation needs before
// it is gone: who took it and when, the look with its facts, indicators, the
// implants (encoded, see Manifest.Decode), logs, crontabs, keys, settings, the
// packet filter, and the journal of demine's own runs. What could not be taken
// stands in Left; only a writer that fails is an error.
func (a *Agent) Evidence(ctx context.Context, w io.Writer, s *explain.Scan, e Evidence) (Bundle, error) {
	if e.Cap <= 0 {
		e.Cap = EvidenceCap
	}
	b := newBundle(w, e, a.h.Now())
	b.json("custody.json", a.custody(s))
	b.json("scan.json", s)
	a.keepRuns(b)
	b.text("firewall.txt", filterText(s.Snapshot))
	sums := a.keepImplants(ctx, b, s)
	b.json("indicators.json", append(explain.Indicators(s), sums...))
	for _, t := range a.evidenceFiles(s) {
		if b.err != nil || ctx.Err() != nil {
			break
		}
		a.keep(b, t)
	}
	out, err := b.close()
	return out, errors.Join(err, ctx.Err())
}

// CreateEvidence makes the file of a bundle: for its owner only, and never
// over something that is there.
func CreateEvidence(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
}

// keepRuns takes the journals of what demine itself changed.
func (a *Agent) keepRuns(b *bundle) {
	st, err := store.Read(a.settings.State, store.Options{})
	if err != nil {
		b.left("runs", err)
		return
	}
	defer st.Close()
	names, err := st.Runs()
	if err != nil {
		b.left("runs", err)
	}
	for _, run := range names {
		rs, err := st.Records(run)
		if err != nil {
			b.left("runs/"+run, err)
		}
		b.json("runs/"+run+".json", rs)
	}
}

// filterText is the packet filter as people read it.
func filterText(x *fact.Snapshot) string {
	if x == nil {
		return ""
	}
	var out strings.Builder
	for _, r := range x.Firewall {
		fmt.Fprintf(&out, "# %s %s %s %s\n", r.Backend, r.Family, r.Table, r.Persisted)
		for _, c := range r.Chains {
			fmt.Fprintf(&out, "chain %s hook %q policy %q\n", i18n.Clean(c.Name), c.Hook, c.Policy)
			for _, rule := range c.Rules {
				fmt.Fprintf(&out, "  %d  %s\n", rule.N, i18n.Clean(rule.Text))
			}
		}
	}
	return out.String()
}

// keep reads one file of the host and puts it into the bundle.
func (a *Agent) keep(b *bundle, t taken) {
	f, err := a.read(t)
	if err != nil {
		if !missing(err) {
			b.left(t.path.String(), err)
		}
		return
	}
	name := path.Join("files", strings.TrimPrefix(path.Clean("/"+t.path.String()), "/"))
	b.file(name, f, t.way)
}

func indented(v any) ([]byte, error) {
	raw, err := json.MarshalIndent(v, "", " ")
	return append(raw, '\n'), err
}
