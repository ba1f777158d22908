package respond

import (
	"slices"
	"strconv"
	"strings"
)

// Settings that a restart takes from the file, and what they are where the file
// does not say: one that was changed at run time would be lost. Those whose
// default differs between versions have none.
var redisKept = map[string]string{
	"requirepass": "", "masterauth": "", "appendonly": "no", "maxmemory": "0", "maxmemory-policy": "noeviction",
	"port": "6379", "replicaof": "", "protected-mode": "yes", "bind": "?", "save": "?", "aclfile": "", "databases": "16",
}

// unsaved names the settings in force that neither the file nor the command
// line has.
func (l *liveRedis) unsaved() ([]string, error) {
	var out []string
	for name, want := range redisKept {
		now, ok, err := l.config(name)
		if err != nil {
			return nil, l.because(err)
		}
		if v, said := l.truth.get(name); said {
			want = v
		}
		if ok && want != "?" && redisValue(now) != redisValue(want) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// redisValue is a value as it means the same: words, and amounts of memory in
// bytes (memtoull of util.c).
func redisValue(s string) string {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	if s == `""` {
		return ""
	}
	digits := strings.TrimRight(s, "bkmgt")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || digits == s {
		return s
	}
	unit := map[string]uint64{
		"b": 1, "k": 1000, "kb": 1 << 10, "m": 1000 * 1000, "mb": 1 << 20, "g": 1000 * 1000 * 1000, "gb": 1 << 30,
	}[s[len(digits):]]
	if unit == 0 {
		return s
	}
	return strconv.FormatUint(n*unit, 10)
}
