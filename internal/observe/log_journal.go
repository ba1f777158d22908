package observe

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/authlog"
	"demine/internal/format/journal"
	"demine/internal/host"
)

// How many entries of the journal a look takes: a few always, more when there
// is an attack to be explained; and how many files.
const (
	littleJournal   = 2_000
	muchJournal     = 50_000
	maxJournalFiles = 500
)

// journalFile is one file of the journal.
type journalFile struct {
	path    fact.Path
	machine string // the folder that it is in, called after its machine
	journal.Header
}

// journals reads what text does not have already, and tells of entries that
// are missing between files.
func (r *logReader) journals(have []fact.LogEvent, all bool) []fact.LogEvent {
	files, lacking := r.journalFiles()
	limit := littleJournal
	values := slices.Clone(loginValues)
	if all {
		limit = muchJournal
		values = append(values, "MESSAGE_ID="+unitStarted, "MESSAGE_ID="+timeChanged)
	}
	known := map[journalKey]bool{}
	for _, e := range have {
		known[keyOf(e)] = true
	}
	for _, f := range files {
		if strings.HasPrefix(base(f.path), "user-") {
			continue // what ordinary users' programs say of themselves
		}
		c := &authlog.Collector{Path: f.path}
		limit = r.journal(f, values, limit, func(e fact.LogEvent) {
			if !known[keyOf(e)] {
				c.AddEvent(e)
			}
		})
		have = append(have, dressed(c.Events(), nil)...)
		if limit <= 0 || r.ctx.Err() != nil {
			r.leave("/var/log/journal")
			break
		}
	}
	files = slices.DeleteFunc(files, func(f journalFile) bool { return lacking[f.machine] })
	return append(have, sequenceGaps(files)...)
}

func base(p fact.Path) string { return string(p[strings.LastIndexByte(string(p), '/')+1:]) }

// journalKey tells an event of the journal from one that syslog wrote too.
type journalKey struct {
	kind, user, from string
	pid              int
	second           int64
}

func keyOf(e fact.LogEvent) journalKey {
	return journalKey{e.Kind, e.User, e.From, e.PID, e.Time.Unix()}
}

// journalFiles lists the files of this host's journal, the newest first, and
// the machines of which it did not see all.
func (r *logReader) journalFiles() (out []journalFile, lacking map[string]bool) {
	lacking = map[string]bool{}
	for _, dir := range []fact.Path{"/var/log/journal", "/run/log/journal"} {
		machines, _ := r.v.Names(dir)
		for _, m := range machines {
			if m == "remote" { // other hosts'
				continue
			}
			names, err := r.v.Names(host.Join(dir, m))
			if err != nil {
				lacking[m] = lacking[m] || !errors.Is(err, host.ErrNotFolder)
				continue
			}
			for _, n := range names {
				if !strings.HasSuffix(n, ".journal") && !strings.HasSuffix(n, ".journal~") {
					continue
				}
				p := host.Join(host.Join(dir, m), n)
				if len(out) >= maxJournalFiles {
					lacking[m] = true
					r.leave(p)
					break
				}
				h, err := r.journalHead(p)
				if err != nil {
					lacking[m] = true
					r.p.gap(p, err)
					continue
				}
				out = append(out, journalFile{p, m, h})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b journalFile) int { return b.Tail.Compare(a.Tail) })
	return out, lacking
}

func (r *logReader) journalHead(p fact.Path) (journal.Header, error) {
	f, info, err := r.v.Open(p)
	if err != nil {
		return journal.Header{}, err
	}
	defer f.Close()
	j, err := journal.Open(f, info.Size)
	if err != nil {
		return journal.Header{}, err
	}
	return j.Header, nil
}

// Message ids of systemd (sd-messages.h).
const (
	unitStarted = "39f53479d3a045ac8e11786248231fbf"
	timeChanged = "c7a787079b354eaaa9e77b371893cd27"
)

var (
	loginValues = identifiers("sshd", "sshd-session", "CRON", "cron", "crond", "CROND", "sudo", "useradd", "userdel", "usermod", "passwd", "chpasswd")
	journalWant = []string{"MESSAGE", "SYSLOG_IDENTIFIER", "_PID", "SYSLOG_PID", "_UID", "UNIT", "MESSAGE_ID"}
)

func identifiers(names ...string) (out []string) {
	for _, n := range names {
		out = append(out, "SYSLOG_IDENTIFIER="+n)
	}
	return out
}

// journal takes at most limit entries of one file and gives how many are left.
func (r *logReader) journal(jf journalFile, values []string, limit int, tell func(fact.LogEvent)) int {
	f, info, err := r.v.Open(jf.path)
	if err != nil {
		r.p.gap(jf.path, err)
		return limit
	}
	defer f.Close()
	j, err := journal.Open(f, info.Size)
	if err != nil {
		if !errors.Is(err, journal.ErrFormat) {
			r.p.gap(jf.path, err)
		}
		return limit
	}
	clocks := bootClocks{}
	j.Select(values, journalWant, func(e journal.Entry) bool {
		limit--
		if ev, ok := journalEvent(e); ok {
			ev.Clock, ev.Origin = clocks.of(e), fact.Origin{Path: jf.path}
			tell(ev)
		}
		return limit > 0 && r.ctx.Err() == nil
	})
	return limit
}

// journalEvent reads one entry. Who may log under any name is everybody: only
// root's word counts for what sshd, cron and sudo say.
func journalEvent(e journal.Entry) (fact.LogEvent, bool) {
	if u := e.Fields["_UID"]; u != "" && u != "0" {
		return fact.LogEvent{}, false
	}
	var ev fact.LogEvent
	ok := true
	switch e.Fields["MESSAGE_ID"] {
	case unitStarted:
		unit := e.Fields["UNIT"]
		ev, ok = fact.LogEvent{Kind: "unit-started", Service: unit, Text: e.Fields["MESSAGE"]}, strings.HasSuffix(unit, ".service")
	case timeChanged:
		ev = fact.LogEvent{Kind: "clock-changed", Text: e.Fields["MESSAGE"]}
	default:
		pid, _ := strconv.Atoi(e.Fields["_PID"])
		if pid == 0 {
			pid, _ = strconv.Atoi(e.Fields["SYSLOG_PID"])
		}
		ev, ok = authlog.Message(e.Fields["SYSLOG_IDENTIFIER"], pid, []byte(e.Fields["MESSAGE"]))
	}
	ev.Time = e.Time
	return ev, ok
}

// bootClocks is, of each boot, how far the clock was ahead of the time since
// the boot at the newest entry seen.
type bootClocks map[[16]byte]time.Duration

func (b bootClocks) of(e journal.Entry) fact.Clock {
	const slack = 10 * time.Second // slewing, and entries that waited
	ahead := time.Duration(e.Time.UnixMicro())*time.Microsecond - e.Monotonic
	last, ok := b[e.Boot]
	if !ok {
		b[e.Boot] = ahead
		return fact.ClockExact
	}
	if d := last - ahead; d > slack || d < -slack {
		return fact.ClockStepped
	}
	return fact.ClockExact
}

// sequenceGaps finds numbers that no file has: journald counts through all
// files of a machine, and removes the oldest ones first. A hole in the middle
// is a file that somebody else took away.
func sequenceGaps(files []journalFile) []fact.LogEvent {
	bySeq := map[[16]byte][]journalFile{}
	for _, f := range files {
		if f.HeadSeq > 0 && f.TailSeq >= f.HeadSeq {
			bySeq[f.SeqnumID] = append(bySeq[f.SeqnumID], f)
		}
	}
	var out []fact.LogEvent
	for _, fs := range bySeq {
		slices.SortFunc(fs, func(a, b journalFile) int {
			if a.HeadSeq < b.HeadSeq {
				return -1
			}
			return 1
		})
		last := fs[0]
		for _, f := range fs[1:] {
			if f.HeadSeq > last.TailSeq+1 {
				out = append(out, fact.LogEvent{
					Kind: "log-gap", Method: "sequence", Time: last.Tail, Until: f.Head, Clock: fact.ClockExact,
					Count: int(min(f.HeadSeq-last.TailSeq-1, 1<<31)), Origin: fact.Origin{Path: f.path},
				})
			}
			if f.TailSeq > last.TailSeq {
				last = f
			}
		}
	}
	return out
}
