package host

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// InOtherNetNS runs f once in each network namespace that a process is in, but
// that of the calling thread, which the caller has locked. All are visited,
// whatever f's errors are. One whose last process ends meanwhile is passed over.
func InOtherNetNS(f func() error) error {
	pids, err := otherNetNS()
	errs := []error{err}
	for _, pid := range pids {
		entered := false
		err := inNetNS(pid, func() error {
			entered = true
			return f()
		})
		if entered || !Gone(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// otherNetNS gives a process of each.
func otherNetNS() (pids []int, err error) {
	names, err := liveFiles{}.Names("/proc")
	if err != nil {
		return nil, err
	}
	known := []string{fmt.Sprintf("net:[%d]", threadNetNS())}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		ns, err := readlinkAt(from(fmt.Sprintf("/proc/%d/ns/net", pid)))
		if err == nil && !slices.Contains(known, ns) { // no link: a zombie, or it has ended
			known, pids = append(known, ns), append(pids, pid)
		}
	}
	return pids, nil
}
