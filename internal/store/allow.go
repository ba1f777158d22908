package store

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/judge"
)

// Allowances are in one file, so that each change of them is whole.
const (
	allowDir  = "allowed"
	allowFile = "list"
	maxAllow  = 256
)

// Allowances gives what was allowed, oldest first, ended ones too.
func (s *Store) Allowances() ([]judge.Allowance, error) {
	for _, at := range s.places() {
		var as []judge.Allowance
		err := load(at, allowDir, allowFile, &as)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		return as, err
	}
	return nil, nil
}

// Allow adds an Allowance and gives it with its name. The caller holds the
// lock.
func (s *Store) Allow(a judge.Allowance) (judge.Allowance, error) {
	as, err := s.Allowances()
	if err != nil {
		return a, err
	}
	if len(as) >= maxAllow {
		return a, fmt.Errorf("%d are allowed already", len(as))
	}
	last := 0
	for _, b := range as {
		if n, err := strconv.Atoi(strings.TrimPrefix(b.ID, "A")); err == nil {
			last = max(last, n)
		}
	}
	a.ID = "A" + strconv.Itoa(last+1)
	return a, s.save(allowDir, allowFile, 1, append(as, a))
}

// Disallow ends an Allowance; ErrNone when there is none of that name. The
// caller holds the lock.
func (s *Store) Disallow(id string) error {
	as, err := s.Allowances()
	if err != nil {
		return err
	}
	kept := slices.DeleteFunc(slices.Clone(as), func(a judge.Allowance) bool { return a.ID == id })
	if len(kept) == len(as) {
		return fmt.Errorf("allowance %s: %w", id, ErrNone)
	}
	return s.save(allowDir, allowFile, 1, kept)
}
