package lab

import (
	"io/fs"
	"os/user"
	"strconv"
)

// Groups of Debian that files of a host belong to. crontab's number is given when cron is installed.
const (
	admGID  = 4
	utmpGID = 43
)

var crontabGID = lookupGroup("crontab")

func lookupGroup(name string) int {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(g.Gid)
	if err != nil {
		return 0
	}
	return n
}

// fileMode turns the mode bits of chmod(2) into Go's.
func fileMode(bits int) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for bit, mode := range map[int]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if bits&bit != 0 {
			m |= mode
		}
	}
	return m
}
