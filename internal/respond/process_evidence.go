package respond

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/judge"
)

// processEvidence keeps what ends with a process: its image, also a deleted
// one, and what the kernel tells of it. Nothing on the host is changed: all is
// read while the undo data is gathered, so the journal names the blob.
var processEvidence = define(spec[traces, image, kept]{
	Name: "evidence.process", Phase: Evidence,
	Look: func(ctx context.Context, h *host.Host, t traces) (image, error) { return lookFamily(ctx, h, t.family) },
	Prepare: func(ctx context.Context, w *Writer, t traces) (kept, error) {
		k, err := newHunt(w, t.family).look(ctx)
		if err != nil {
			return kept{}, err
		}
		return keepTraces(ctx, w, t, k)
	},
	Do: func(_ context.Context, _ *Writer, _ traces, u kept) (i18n.Message, error) {
		return i18n.M("evidence.process.kept", "n", u.Processes, "size", u.Blob.Size, "blob", u.Blob.ID), nil
	},
	Undo: func(context.Context, *Writer, traces, kept) error { return nil }, // evidence stays
})

// traces are a family and how many bytes may be kept of it.
type traces struct {
	family
	Limit int64 `json:"limit"`
}

// kept says where the evidence is.
type kept struct {
	Blob      Blob `json:"blob"`
	Processes int  `json:"processes"`
}

// EvidenceOf gives the blob, a tar, that a step evidence.process has kept: undo
// is what the run's journal holds of the step.
func EvidenceOf(undo json.RawMessage) (Blob, error) {
	k, err := decode[kept](undo)
	return k.Blob, err
}

// evidenceLimit is of all evidence of processes in a plan together.
const evidenceLimit = 50 << 20

func planEvidence(m *Making, p *fact.Process, f *judge.Finding) {
	fam, kin, why := m.familyOf(p)
	if why != nil {
		return
	}
	const do = "evidence.process"
	s := m.addFamily(do, Evidence, fam, kin, f)
	s.Breaks = nil
	s.NoUndo, s.Back = true, i18n.M("evidence.process.back") // an undo does not throw evidence away
	var all []*Step
	for i := range m.steps {
		if m.steps[i].Do == do {
			all = append(all, &m.steps[i])
		}
	}
	for _, s := range all {
		if fam, err := decode[family](s.With); err == nil {
			s.With = encode(traces{fam, evidenceLimit / int64(len(all))})
		}
	}
}

// keepTraces streams a tar of the traces into the vault.
func keepTraces(ctx context.Context, w *Writer, t traces, k kin) (kept, error) {
	if len(k.members) == 0 {
		return kept{}, ErrNothing
	}
	r, out := io.Pipe()
	n := 0
	go func() {
		a := newArchive(w.Host, out, t.Limit)
		err := a.family(ctx, t.family, k.members)
		n = a.processes
		out.CloseWithError(err)
	}()
	blob, err := w.Vault.Put(ctx, fmt.Sprintf("process-%d-%s.tar", k.members[0].PID, nameOf(t.Exe, "")), r)
	r.Close()
	if err != nil {
		return kept{}, fmt.Errorf("keep evidence of %s: %w", t.Exe, err)
	}
	return kept{Blob: blob, Processes: n}, nil
}
