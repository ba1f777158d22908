package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"golang.org/x/sys/unix"
)

// A list ends with its CRC-32: neither the seal nor the coding of its fields would
// tell a port with one bit changed from another one.
func summed(list []byte) []byte {
	return binary.BigEndian.AppendUint32(list, crc32.ChecksumIEEE(list))
}

var errSum = errors.New("its sum is another one")

func unsummed(b []byte) ([]byte, error) {
	n := len(b) - crc32.Size
	if n < 0 || binary.BigEndian.Uint32(b[n:]) != crc32.ChecksumIEEE(b[:n]) {
		return nil, errSum
	}
	return b[:n], nil
}

// Names of lists of leases that could not be read.
const (
	asideName = leaseFile + ".damaged-"
	maxAside  = 5
)

// SetLeasesAside gives the lists that Leases could not read another name, so that
// nothing is lost, and says which: there are five at most, then the last one goes.
// On a disk that takes nothing they stay where they are.
func (s *Store) SetLeasesAside() (names []string, err error) {
	if s.home == nil {
		return nil, ErrReader
	}
	for _, at := range s.damaged {
		switch name, e := setAside(at); {
		case e == nil:
			names = append(names, name)
		case at != s.disk || !givesWay(e):
			err = errors.Join(err, e)
		}
	}
	s.damaged = nil
	return names, err
}

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
	return d.path + "/" + name, d.sync()
}

// LeasesAside are the lists that were set aside, as long as nobody removes them.
func (s *Store) LeasesAside() (names []string) {
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
