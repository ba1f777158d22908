package lab

import "slices"

// moving is what changes on a host that nobody touches, and is no part of a State.
var moving = patterns{
	"file /var/log",                           // logs, logins, the journal
	"file /var/cache",                         // made again
	"file /var/lib/mysql",                     // the shop's orders
	"file /var/lib/demine",                    // what demine itself notes
	"file /var/lib/systemd/timers",            // when a timer last ran
	"file /var/lib/systemd/random-seed",       //
	"file /var/lib/redis-638?/dump.rdb",       // saved when Redis likes; the dataset itself is compared
	"file /var/lib/redis-638?/temp-*.rdb",     //
	"file /tmp/systemd-private-*",             // named after the boot
	"file /var/tmp/systemd-private-*",         //
	"file /var/spool/rsyslog",                 // what is yet to be written
	"file /home/*.log", "file /home/lin/mon*", // honest jobs write these
	"unit session-*", "unit file session-*", // logins come and go
	"unit user*", "unit file user-*", //
	"unit run-*", "unit file run-*", // named at random
	"unit systemd-tmpfiles-clean.service", // a timer's job
}

// patterns are of names: * is anything, ? is one sign, and what lies below a path that fits does, too.
type patterns []string

func (p patterns) fit(name string) bool {
	return slices.ContainsFunc(p, func(pattern string) bool { return fits(pattern, name) })
}

func fits(pattern, name string) bool {
	for i := range len(pattern) {
		switch {
		case pattern[i] == '*':
			for rest := i; rest <= len(name); rest++ {
				if fits(pattern[i+1:], name[rest:]) {
					return true
				}
			}
			return false
		case i >= len(name) || (pattern[i] != name[i] && pattern[i] != '?'):
			return false
		}
	}
	return len(name) == len(pattern) || name[len(pattern)] == '/'
}
