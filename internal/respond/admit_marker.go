package respond

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
)

// marker is one of the means by which a kernel gives packets the mark of a lease
// until its end.
type marker interface {
	// there reports whether it has leases, or a place for them, already.
	there() (bool, error)
	// admit puts leases in force, whose time runs from begun on, or gives those in
	// force another end, and makes those doorways that its transaction can hold. All
	// of it or nothing.
	admit(ctx context.Context, begun time.Time, mark uint32, until time.Time, doors []Doorway, as []Admission) error
	// edit changes what is in force; f gets that, and its error changes nothing.
	// errNoLeases: there can be none.
	edit(f func(have leases) (leases, error)) error
	// read gives what is in force in a filter as it was read.
	read(sets []fact.Ruleset) (leases, error)
	// retire takes all of it away, and doorways as admit made them.
	retire(ctx context.Context, sets []fact.Ruleset) error
}

// nftMarker is the table of leases in nf_tables: see leaseTable.
type nftMarker struct{}

func (nftMarker) there() (bool, error) {
	n, err := openNFTables()
	if err != nil {
		return false, nil // then there can be no table
	}
	defer n.close()
	_, err = n.ask(nfMessage(unix.NFT_MSG_GETTABLE, "inet", 0, textAttr(unix.NFTA_TABLE_NAME, leaseTable)))
	if kernelCannot(err) {
		return false, nil
	}
	return err == nil, err
}

func (m nftMarker) edit(f func(leases) (leases, error)) error {
	err := editLeases(f, none)
	if kernelCannot(err) {
		if there, err := m.there(); !there && err == nil { // a kernel without nf_tables
			return errNoLeases
		}
	}
	return err
}

func (nftMarker) read(sets []fact.Ruleset) (leases, error) {
	if !slices.ContainsFunc(sets, isLeaseTable) {
		return leases{}, nil
	}
	n, err := openNFTables()
	if err != nil {
		return leases{}, err
	}
	defer n.close()
	return n.leases()
}

func (nftMarker) retire(ctx context.Context, sets []fact.Ruleset) error {
	if len(closeNFT(sets)) == 0 && !slices.ContainsFunc(sets, isLeaseTable) {
		return nil // on a kernel that has no nf_tables, too
	}
	return editNFTables(func(*nfTables) ([]message, error) {
		sets, err := placesInForce(ctx)
		out := closeNFT(sets)
		if slices.ContainsFunc(sets, isLeaseTable) {
			out = append(out, nfMessage(unix.NFT_MSG_DELTABLE, "inet", 0, textAttr(unix.NFTA_TABLE_NAME, leaseTable)))
		}
		return out, err
	})
}

// mark lets in by the marker that does so already, else by the first that this
// kernel has. The time of the admissions has begun to run before: to learn that
// there is no module for something may take a second.
func (f liveFilter) mark(ctx context.Context, begun time.Time, mark uint32, until time.Time, doors []Doorway, as []Admission) error {
	by := func(m marker) error { return m.admit(ctx, begun, mark, until, doors, as) }
	for _, m := range f.markers {
		if there, err := m.there(); err != nil {
			return err
		} else if there {
			return by(m)
		}
	}
	var errs []error
	for _, m := range f.markers {
		err := by(m)
		if !kernelCannot(err) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// kernelCannot reports whether an error says that the kernel does not know what
// it was asked for: nf_tables, a match, sets with timeouts.
func kernelCannot(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) ||
		errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ENOPROTOOPT) || errors.Is(err, unix.EAFNOSUPPORT)
}
