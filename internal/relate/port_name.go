package relate

import (
	"strconv"

	"demine/internal/format/xtables"
)

// NamedPort is the port that a service usually has, by the names that are used in
// rules of packet filters.
func NamedPort(name string) (port int, ok bool) {
	if _, err := strconv.Atoi(name); err == nil {
		return 0, false
	}
	p, ok := xtables.Port(name)
	return int(p), ok
}
