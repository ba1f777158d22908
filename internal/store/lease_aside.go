package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"golang.org/x/sys/unix"
)

// A list begins with its format and ends with its CRC-32: neither the seal nor the
// coding of its fields would tell a port with one bit changed from another one.
func summed(list []byte) []byte {
	return binary.BigEndian.AppendUint32(list, crc32.ChecksumIEEE(list))
}

var (
	errFormat = errors.New("written by another version of demine")
	errSum    = errors.New("its sum is another one")
)

// fields takes format and sum off. Other formats may have another sum, or none.
func fields(list []byte) ([]byte, error) {
	n := len(list) - crc32.Size
	switch {
	case len(list) > 0 && list[0] != listFormat:
		return nil, errFormat
	case n < 1 || binary.BigEndian.Uint32(list[n:]) != crc32.ChecksumIEEE(list[:n]):
		return nil, errSum
	}
	return list[1:n], nil
}

// Names of lists of leases that could not be read.
const (
	asideName = leaseFile + ".damaged-"
	maxAside  = 5
)

// SetLeasesAside gives the lists that Leases could not read another name, so that
// nothing is lost, and says as what they are kept: there are five at most, then the
// last one goes. On a disk that takes nothing they stay where they are: the list that
// is saved next knows them.
func (s *Store) SetLeasesAside() (names []string, err error) {
	if s.home == nil {
		return nil, ErrReader
	}
	for _, at := range s.damaged {
		switch name, e := setAside(at); {
		case e == nil:
			names = append(names, name)
		case at == s.disk && givesWay(e):
			names, s.known = append(names, listPath(at)), append(s.known, at)
		default:
			err = errors.Join(err, e)
		}
	}
	s.damaged = nil
	return names, err
}

func listPath(at *folder) string { return at.path + "/" + leaseDir + "/" + leaseFile }

// setAside need not be on the disk when it returns: what a crash brings back is set
// aside again.
func setAside(at *folder) (string, error) {
	d, err := at.sub(leaseDir, false)
	if err != nil {
		return "", err
	}
	defer d.close()
	var name string
	for n := 1; n <= maxAside; n++ {
		if name = fmt.Sprint(asideName, n); !d.has(name) {
			break
		}
	}
	if err := unix.Renameat(d.fd, leaseFile, d.fd, name); err != nil {
		return "", d.error("rename", leaseFile, err)
	}
	return d.path + "/" + name, nil
}

// LeasesAside are the lists that could not be read, as long as nobody removes them:
// those that were set aside, and those that had to stay where they are.
func (s *Store) LeasesAside() (names []string) {
	for _, at := range s.known {
		names = append(names, listPath(at))
	}
	for _, at := range s.places() {
		d, err := at.sub(leaseDir, false)
		if err != nil {
			continue
		}
		all, _ := d.names()
		d.close()
		for _, n := range all {
			if strings.HasPrefix(n, asideName) {
				names = append(names, d.path+"/"+n)
			}
		}
	}
	return names
}
