package respond

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What cannot be done in the second family is taken back from the first, and what
// somebody else did meanwhile stays.
func TestAdmitBothFamilies(t *testing.T) {
	l, h := aloneHost(t, xtLeaseList)
	m := xtMarker{xtLeaseList}
	a4, a6 := h.admission("L-4", labApp4+"/32", time.Hour), h.admission("L-6", labApp6+"/128", time.Hour)
	for n, before := range [][]Admission{nil, {h.admission("L-E", "203.0.113.0/24", time.Hour)}} {
		l.must(func() error { return m.admit(t.Context(), time.Now(), testBit, time.Now().Add(time.Hour), nil, before) })
		was, rounds, busy := steady(l.sh("iptables-legacy-save -t mangle", "")), 0, true
		change := func(have leases, now time.Time) (leases, error) {
			if rounds++; busy {
				x := h.admission("L-X", fmt.Sprintf("fd77::%d:%d/128", n+1, rounds), time.Hour)
				more, err := have.with(testBit, time.Time{}, []Admission{x})
				if err := errors.Join(err, m.write("ip6", have, more, now)); err != nil {
					return have, err
				}
			}
			return have.with(testBit, time.Time{}, []Admission{a4, a6})
		}
		if err := l.do(func() error { return m.change(change) }); !errors.Is(err, unix.EAGAIN) || rounds != 10 {
			t.Fatalf("after %d rounds: %v", rounds, err)
		}
		if diff := cmp.Diff(was, steady(l.sh("iptables-legacy-save -t mangle", ""))); diff != "" {
			t.Errorf("not taken back:\n%s", diff)
		}
		there := len(l.admitted().Admissions)
		if there != len(before)+rounds {
			t.Errorf("in force: %d", there)
		}
		busy = false
		l.must(func() error { return m.change(change) })
		if got := len(l.admitted().Admissions); got != there+2 {
			t.Errorf("in force in the end: %d", got)
		}
		l.dismiss(l.admitted().Admissions...)
	}
}

// The time that others hold the lock of iptables is time of the lease.
func TestAdmitLocked(t *testing.T) {
	l, h := aloneHost(t, xtLeaseList)
	lock, err := os.OpenFile(xtLock, os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	fd := int(lock.Fd())
	const left, held = time.Minute, 2500 * time.Millisecond
	if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	time.AfterFunc(held, func() { _ = unix.Flock(fd, unix.LOCK_UN) })
	m := xtMarker{xtLeaseList} // without the doorways, which wait for the same lock
	as := []Admission{h.admission("L-4", labApp4+"/32", left)}
	l.must(func() error { return m.admit(t.Context(), begun, testBit, begun.Add(left), nil, as) })
	now := time.Now()
	if end := now.Add(l.admitted().Admissions[0].Left - xtTick); now.Sub(begun) < held || end.After(begun.Add(left)) {
		t.Errorf("behind a wait of %v it ends %v later than it was to", now.Sub(begun), end.Sub(begun.Add(left)))
	}
}
