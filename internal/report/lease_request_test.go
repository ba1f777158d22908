package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"demine/internal/lease"
)

// A request is what was printed of it, in whatever zone it is read; what else is
// in a file is none.
func TestReadRequest(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.FixedZone("", 8*3600))
	le := lease.Lease{ID: "L-7Q2KD", State: lease.Requested, Opened: at, Ask: lease.Ask{Proto: "tcp", Port: 6380, For: time.Hour, Who: "w", Why: "y"}}
	var b bytes.Buffer
	if err := LeaseJSON(&b, NewLeaseView(&le, 0), nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	v, err := ReadRequest(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	le.Opened = at.UTC()
	if field := v.Differs(NewLeaseView(&le, 0)); field != "" {
		t.Errorf("%s differs", field)
	}
	for _, tt := range []struct {
		field  string
		change func()
	}{
		{"why", func() { le.Why = "z" }}, {"port", func() { le.Port = 6381 }}, {"for_s", func() { le.For = 2 * time.Hour }},
		{"opened", func() { le.Opened = at.Add(time.Second) }}, {"drop_established", func() { le.Cut = true }}, {"by", func() { le.By.Account = "b" }},
	} {
		was := le
		tt.change()
		if field := v.Differs(NewLeaseView(&le, 0)); field != tt.field {
			t.Errorf("%q differs, not %s", field, tt.field)
		}
		le = was
	}
	for _, text := range []string{"", "{}", strings.Replace(b.String(), "requested", "open", 1), strings.Replace(b.String(), "L-7Q2KD", "../x", 1),
		strings.Replace(b.String(), `"state"`, `"host": "-oProxyCommand=x", "state"`, 1), strings.Replace(b.String(), `"schema": 1`, `"schema": 2`, 1), b.String() + "x", strings.Repeat(" ", maxRequest) + b.String()} {
		if v, err := ReadRequest(strings.NewReader(text)); err == nil {
			t.Errorf("%.40q is a request: %+v", text, v)
		}
	}
}

// FuzzReadRequest: what is read as a request can be printed and compared.
func FuzzReadRequest(f *testing.F) {
	f.Add([]byte(`{"schema": 1, "lease": {"id": "L-7Q2KD", "state": "requested", "from": ["0.0.0.0/0"], "opened": "2026-11-23T12:00:00Z"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ReadRequest(bytes.NewReader(b)); err == nil && v.Differs(v) != "" {
			t.Errorf("%+v", v)
		}
	})
}
