package respond

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/rdb"
	"demine/internal/host"
)

// What stands against letting Redis save over the owner's dump again, as codes
// of "word.redis-…".
const (
	redisFlushed  = "redis-flushed"   // the dataset was emptied since the server started
	redisFewer    = "redis-fewer"     // memory holds fewer keys than the dump
	redisUnread   = "redis-unread"    // the dump could not be read to its end
	redisUncopied = "redis-uncopied"  // no copy of it could be kept
	redisSaving   = "redis-not-saved" // the last save failed
)

// dumpSize counts what a dump holds that Redis would still load. One that is
// not there holds nothing.
func dumpSize(h *host.Host, at fact.Path) (rdb.Counts, error) {
	f, info, err := h.Files.Open(at)
	if errors.Is(err, fs.ErrNotExist) {
		return rdb.Counts{}, nil
	}
	if err != nil {
		return rdb.Counts{}, err
	}
	defer f.Close()
	n, err := rdb.Count(io.NewSectionReader(f, 0, info.Size), h.Now())
	if err != nil {
		return n, fmt.Errorf("%s: %w", at, err)
	}
	return n, nil
}

// flushed reports whether FLUSHALL or FLUSHDB was called since the server
// started, as far as its counters were not reset.
func (l *liveRedis) flushed() (bool, error) {
	stats, err := l.redisConn.info("commandstats")
	if err != nil {
		return false, err
	}
	for _, name := range []string{"cmdstat_flushall", "cmdstat_flushdb"} {
		if v, ok := stats[name]; ok && !strings.HasPrefix(v, "calls=0,") {
			return true, nil
		}
	}
	return false, nil
}

// against says what stands against saving over the dump, or "". Besides keys
// that are still in memory and not the owner's.
func (l *liveRedis) against(h *host.Host, dump fact.Path, besides int64) (string, error) {
	flushed, err := l.flushed()
	if err != nil {
		return "", err
	}
	if flushed {
		return redisFlushed, nil
	}
	on, err := dumpSize(h, dump)
	if err != nil {
		return redisUnread, nil
	}
	keys, _, err := l.size()
	if err != nil {
		return "", err
	}
	if keys-besides < on.Lasting {
		return redisFewer, nil
	}
	return "", nil
}
