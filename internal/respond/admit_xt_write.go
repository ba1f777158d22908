package respond

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// tryChange has no transaction for both families: what fails in the second is taken
// back from the first. EAGAIN: the chains are not what f got any more.
func (m xtMarker) tryChange(f func(have leases, now time.Time) (leases, error)) error {
	now := time.Now() // of all that is read and written: an end that stays is the same second again
	have, err := m.leases(now)
	if err != nil {
		return err
	}
	want, err := f(have, now)
	if err != nil {
		return err
	}
	for i, family := range xtFamilies {
		err := m.write(family, have, want, now)
		switch {
		case errors.Is(err, unix.EAGAIN): // this one is somebody else's work
			return errors.Join(err, m.takeBack(xtFamilies[:i], have, now))
		case err != nil:
			return errors.Join(err, m.takeBack(xtFamilies[:i+1], have, now))
		}
	}
	return nil
}

// takeBack makes the chains of families what have says, whatever they are: a chain
// whose list could not be filled is in force, too. That this fails is no reason to
// do the whole again.
func (m xtMarker) takeBack(families []string, have leases, now time.Time) error {
	var failed error
	for _, family := range families {
		var err error
		for range 3 {
			if err = m.putBack(family, have, now); !errors.Is(err, unix.EAGAIN) {
				break
			}
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("take back leases of %s: %v", family, err))
		}
	}
	return failed
}

func (m xtMarker) putBack(family string, have leases, now time.Time) error {
	chains, err := xtLeaseChains(family)
	if err != nil || xtChain(chains, xtLeaseChain) == nil {
		return err
	}
	if !have.holds(family) {
		return tryXT(family, xtLeaseTable, dropXTLeases)
	}
	return m.write(family, xtLeasesOf(family, chains, now), have, now)
}
