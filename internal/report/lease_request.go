package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/lease"
)

// maxRequest is more than LeaseJSON writes of a request.
const maxRequest = 64 << 10

// NewRequestView makes the view of a request on a host.
func NewRequestView(l *lease.Lease, host string) LeaseView {
	v := NewLeaseView(l, 0)
	v.Host = host
	return v
}

// ReadRequest reads the request that LeaseJSON wrote.
func ReadRequest(r io.Reader) (LeaseView, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxRequest+1))
	if err != nil {
		return LeaseView{}, err
	}
	var in struct {
		Schema int       `json:"schema"`
		Lease  LeaseView `json:"lease"`
	}
	switch err := json.Unmarshal(b, &in); {
	case len(b) > maxRequest:
		return LeaseView{}, fmt.Errorf("more than %d bytes", maxRequest)
	case err != nil:
		return LeaseView{}, err
	case in.Schema != fact.SchemaVersion:
		return LeaseView{}, fmt.Errorf("schema %d, not %d", in.Schema, fact.SchemaVersion)
	case in.Lease.State != lease.Requested || !lease.IsName(in.Lease.ID), strings.HasPrefix(in.Lease.Host, "-"): // ssh has options
		return LeaseView{}, errors.New("no request of demine lease request --json")
	}
	return in.Lease, nil
}

// Differs names a field, as scripts know it, in which two views differ; empty:
// in none.
func (v LeaseView) Differs(w LeaseView) string {
	a, b := v.fields(), w.fields()
	names := maps.Clone(a)
	maps.Copy(names, b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !bytes.Equal(a[name], b[name]) {
			return name
		}
	}
	return ""
}

func (v LeaseView) fields() (out map[string]json.RawMessage) {
	v.Opened, v.Until = v.Opened.UTC(), v.Until.UTC()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(err) // a struct of plain values
	}
	return out
}
