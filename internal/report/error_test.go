package report

import (
	"errors"
	"testing"
)

// Errors that were joined are one line, in which nothing is escaped.
func TestErrorText(t *testing.T) {
	m := LeaseTrouble("L-7Q2KD", errors.Join(errors.New("namespace 7: not permitted"), errors.Join(errors.New("the list: no space"))))
	if got, want := m.Args["why"], "namespace 7: not permitted; the list: no space"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
