package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/rdb"
	"demine/internal/host"
	"demine/internal/i18n"
)

// redisSave begins every change that needs a restart: it proves that the
// server can be restarted and that its data is on disk, and gives that data to
// the user that the server will run as. Its undo comes last, after the files
// were put back: it starts the server with them, and only then takes the data
// back. (A server that cannot write its data does not end on SIGTERM, and
// systemd kills it.)
var redisSave = define(spec[redisSaveWith, redisSaveSeen, redisSaveUndo]{
	Name: "redis.save", Phase: Harden, Unsure: true, // saving leaves the settings as they are
	Look: lookRedisSave, Prepare: prepareRedisSave, Do: doRedisSave, Undo: undoRedisSave,
})

type redisSaveWith struct {
	Server redisServer `json:"server"`
	User   string      `json:"user,omitempty"` // that it will run as; empty: as before
}

// redisSaveSeen is where the server saves.
type redisSaveSeen struct {
	Dir  fact.Path `json:"dir"`
	File fact.Path `json:"file"`
	AOF  string    `json:"aof,omitempty"` // name of the append-only file or its folder; empty: off
}

type redisSaveUndo struct {
	Seen  redisSaveSeen `json:"seen"`
	UID   int           `json:"uid"` // whom it ran as
	Owned []redisOwned  `json:"owned,omitempty"`
}

func lookRedisSave(ctx context.Context, h *host.Host, with redisSaveWith) (redisSaveSeen, error) {
	l, err := openRedis(ctx, h, with.Server)
	if err != nil {
		return redisSaveSeen{}, err
	}
	defer l.Close()
	if err := l.alone(); err != nil {
		return redisSaveSeen{}, err
	}
	if err := l.launched(h); err != nil {
		return redisSaveSeen{}, err
	}
	if names, err := l.unsaved(); err != nil {
		return redisSaveSeen{}, err
	} else if len(names) > 0 {
		return redisSaveSeen{}, Refuse("refuse.redis-unsaved-settings", "pid", with.Server.PID, "names", names)
	}
	if with.User != "" {
		if _, _, err := l.handOver(h, with.User); err != nil {
			return redisSaveSeen{}, err
		}
	}
	return l.savesTo(h)
}

// alone refuses what is part of something larger: a restart of one member can
// make others fail over or send everything anew.
func (l *liveRedis) alone() error {
	if err := l.isReplica(); err != nil {
		return err
	}
	if n := l.info["connected_slaves"]; n != "" && n != "0" {
		return Refuse("refuse.redis-replicas", "pid", l.server.PID, "n", n)
	}
	if l.info["cluster_enabled"] == "1" {
		return Refuse("refuse.redis-cluster", "pid", l.server.PID)
	}
	return nil
}

// launched refuses a restart where it is not certain that it starts the same
// program with the same file.
func (l *liveRedis) launched(h *host.Host) error {
	s := l.server
	if s.Unit == "" || len(s.Launch) == 0 || !path.IsAbs(s.Launch[0]) {
		return Refuse("refuse.redis-launcher", "pid", s.PID)
	}
	runs, err1 := h.Files.Stat(procPath(s.PID, "exe"))
	starts, err2 := h.Files.Stat(fact.Path(s.Launch[0]))
	var own redisTruth
	own.argv = map[string]string{}
	config := own.readLaunch(s.Launch)
	switch {
	case err1 != nil || err2 != nil || runs.ID != starts.ID, string(config) != l.info["config_file"]:
		return Refuse("refuse.redis-launcher", "pid", s.PID)
	case l.truth.unclear:
		return Refuse("refuse.redis-config-unread")
	case own.argv["daemonize"] == "yes", strings.Join(l.truth.file["daemonize"], " ") == "yes" && own.argv["daemonize"] == "":
		return Refuse("refuse.redis-daemonize", "pid", s.PID)
	}
	return nil
}

// savesTo tells where the server saves, which must be where its owner wants it.
func (l *liveRedis) savesTo(h *host.Host) (redisSaveSeen, error) {
	var seen redisSaveSeen
	now, err := l.configs("dir", "dbfilename", "save", "appendonly", "appendfilename", "appenddirname")
	if err != nil {
		return seen, err
	}
	if seen.Dir, seen.File, err = l.truth.home(now["dir"], now["dbfilename"]); err != nil {
		return seen, err
	}
	if !sameFolder(h, fact.Path(now["dir"]), seen.Dir) || fact.Path(now["dbfilename"]) != seen.File {
		return seen, Refuse("refuse.redis-armed", "pid", l.server.PID, "dir", fact.Path(now["dir"]))
	}
	if now["appendonly"] == "yes" {
		seen.AOF = now["appendfilename"]
		if sub, ok := now["appenddirname"]; ok {
			seen.AOF = path.Join(sub, now["appendfilename"]+".manifest")
		}
	} else if now["save"] == "" {
		return seen, Refuse("refuse.redis-no-persistence", "pid", l.server.PID)
	}
	return seen, nil
}

func prepareRedisSave(ctx context.Context, w *Writer, with redisSaveWith) (redisSaveUndo, error) {
	var u redisSaveUndo
	l, err := openRedis(ctx, w.Host, with.Server)
	if err != nil {
		return u, err
	}
	defer l.Close()
	if u.Seen, err = l.savesTo(w.Host); err != nil {
		return u, err
	}
	if u.UID, err = uidOf(w.Host, with.Server.PID); err != nil {
		return u, err
	}
	dump := host.Join(u.Seen.Dir, string(u.Seen.File))
	why, err := l.against(w.Host, dump, 0)
	if err != nil {
		return u, err
	}
	if why != "" {
		return u, Refuse("refuse.redis-data", "pid", with.Server.PID, "dump", dump, "why", i18n.M("word."+why))
	}
	if with.User != "" {
		if u.Owned, err = l.owned(w.Host, with.User); err != nil {
			return u, err
		}
	}
	return u, l.startedBy(ctx, w)
}

// startedBy makes sure with systemd that the unit is the one that started the
// server, that nothing else depends on it in a way that would stop it too, and
// that nobody's unread edits would come into force.
func (l *liveRedis) startedBy(ctx context.Context, w *Writer) error {
	s := l.server
	show := map[string]string{}
	for _, p := range []string{"MainPID", "ExecStart", "RequiredBy", "BoundBy", "ConsistsOf", "TimeoutStopUSec"} {
		v, err := w.Units.Show(ctx, s.Unit, p)
		if errors.Is(err, ErrUnavailable) {
			return Refuse("refuse.redis-launcher", "pid", s.PID)
		}
		if err != nil {
			return err
		}
		show[p] = v
	}
	var argv []string
	if show["MainPID"] != strconv.Itoa(s.PID) || json.Unmarshal([]byte(show["ExecStart"]), &argv) != nil || !slices.Equal(argv, s.Launch) {
		return Refuse("refuse.redis-launcher", "pid", s.PID)
	}
	if others := strings.Fields(show["RequiredBy"] + "\n" + show["BoundBy"] + "\n" + show["ConsistsOf"]); len(others) > 0 {
		return Refuse("refuse.redis-required", "unit", s.Unit, "others", others)
	}
	// What is not written within that time is cut off with SIGKILL.
	limit, err := strconv.ParseUint(show["TimeoutStopUSec"], 10, 64)
	took, _ := strconv.ParseUint(l.info["rdb_last_bgsave_time_sec"], 10, 64)
	if l.info["rdb_last_bgsave_time_sec"] != "-1" && err == nil && took*2e6 > limit {
		return Refuse("refuse.redis-slow", "unit", s.Unit, "took", took, "limit", limit/1e6)
	}
	return othersPending(ctx, w, "")
}

// othersPending refuses to let systemd read its files anew while that would
// put others' edits into force.
func othersPending(ctx context.Context, w *Writer, but string) error {
	pending, err := w.Units.Pending(ctx)
	if err != nil {
		return err
	}
	if pending = slices.DeleteFunc(pending, func(u string) bool { return u == but }); len(pending) > 0 {
		return Refuse("refuse.units-pending", "units", pending)
	}
	return nil
}

func doRedisSave(ctx context.Context, w *Writer, with redisSaveWith, u redisSaveUndo) (i18n.Message, error) {
	l, err := openRedis(ctx, w.Host, with.Server)
	if err != nil {
		return i18n.Message{}, err
	}
	defer l.Close()
	keys, err := l.saveNow(ctx, w.Host, u.Seen)
	if err != nil {
		return i18n.Message{}, err
	}
	for i := range u.Owned {
		// The folder comes first in the list and last here: from then on the new
		// user can move what is in it.
		o := u.Owned[len(u.Owned)-1-i]
		if err := setOwner(w, o.Path, o.Was, o.To); err != nil {
			return i18n.Message{}, err
		}
	}
	return i18n.M("outcome.redis-saved", "keys", keys, "dump", host.Join(u.Seen.Dir, string(u.Seen.File))), nil
}

// saveNow has the data written to disk and proves it: the dump was written
// anew, reads to its end, and holds as many keys as memory did meanwhile.
func (l *liveRedis) saveNow(ctx context.Context, h *host.Host, to redisSaveSeen) (int64, error) {
	if err := l.savesEnd(ctx, h); err != nil {
		return 0, err
	}
	dump := host.Join(to.Dir, string(to.File))
	was, _ := h.Files.Stat(dump) // none, before the first save
	before, _, err := l.size()
	if err != nil {
		return 0, err
	}
	if err := l.ok("BGSAVE"); err != nil {
		return 0, l.because(err)
	}
	if err := l.savesEnd(ctx, h); err != nil {
		return 0, err
	}
	after, _, err := l.size()
	if err != nil {
		return 0, err
	}
	p, err := l.redisConn.info("persistence")
	if err != nil {
		return 0, err
	}
	is, err := h.Files.Stat(dump)
	if err != nil || is.ID == was.ID || p["rdb_last_bgsave_status"] != "ok" {
		return 0, Refuse("refuse.redis-not-saved", "pid", l.server.PID, "dump", dump)
	}
	n, err := dumpSize(h, dump)
	if err != nil {
		return 0, err
	}
	if n.Keys < min(before, after) || n.Keys > max(before, after) {
		return 0, Refuse("refuse.redis-save-differs", "pid", l.server.PID, "dump", dump, "keys", n.Keys, "memory", after)
	}
	if to.AOF != "" {
		return after, l.rewriteNow(ctx, h, to)
	}
	return after, nil
}

// rewriteNow does the same for the append-only file, which is what a server
// with one reads when it starts.
func (l *liveRedis) rewriteNow(ctx context.Context, h *host.Host, to redisSaveSeen) error {
	before, _, err := l.size()
	if err != nil {
		return err
	}
	if err := l.ok("BGREWRITEAOF"); err != nil {
		return l.because(err)
	}
	if err := l.savesEnd(ctx, h); err != nil {
		return err
	}
	after, _, err := l.size()
	if err != nil {
		return err
	}
	p, err := l.redisConn.info("persistence")
	if err != nil {
		return err
	}
	base, err := aofBase(h, host.Join(to.Dir, to.AOF))
	if err != nil || p["aof_last_bgrewrite_status"] != "ok" || p["aof_last_write_status"] != "ok" {
		return Refuse("refuse.redis-not-saved", "pid", l.server.PID, "dump", host.Join(to.Dir, to.AOF))
	}
	n, err := preamble(h, base)
	if err != nil {
		return err
	}
	if n.Keys < min(before, after) || n.Keys > max(before, after) {
		return Refuse("refuse.redis-save-differs", "pid", l.server.PID, "dump", base, "keys", n.Keys, "memory", after)
	}
	return nil
}

// aofBase gives the file that an append-only log begins with: the log itself
// before 7.0, later the one that the manifest names ("file NAME seq 1 type b").
func aofBase(h *host.Host, at fact.Path) (fact.Path, error) {
	if !strings.HasSuffix(string(at), ".manifest") {
		return at, nil
	}
	b, _, err := h.Files.ReadFile(at, maxRedisConf)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		w := strings.Fields(line)
		if len(w) == 6 && w[5] == "b" && w[0] == "file" && path.Base(w[1]) == w[1] {
			return host.Join(fact.Path(path.Dir(string(at))), w[1]), nil
		}
	}
	return "", fmt.Errorf("%s: names no base", at)
}

func preamble(h *host.Host, at fact.Path) (rdb.Counts, error) {
	f, info, err := h.Files.Open(at)
	if err != nil {
		return rdb.Counts{}, err
	}
	defer f.Close()
	n, err := rdb.Count(io.NewSectionReader(f, 0, info.Size), time.Time{})
	if errors.Is(err, rdb.ErrNoDump) {
		return n, Refuse("refuse.redis-aof-text", "path", at)
	}
	return n, err
}

// undoRedisSave starts the server again if it is not the one that was looked
// at: with the files as they are now. Then the data goes back to whom it
// belonged.
func undoRedisSave(ctx context.Context, w *Writer, with redisSaveWith, u redisSaveUndo) error {
	if with.Server.process(w.Host) != nil { // else it was never restarted
		if err := saveBefore(ctx, w, with.Server, u.Seen); err != nil {
			return err
		}
		r := redisRestarting{w: w, server: with.Server, to: u.Seen, uid: u.UID, keys: -1}
		if err := r.restart(ctx); err != nil {
			return err
		}
	}
	return takeAllBack(w, u)
}

// saveBefore saves once more where the server answers. One that cannot save is
// not stopped: what it holds would be lost.
func saveBefore(ctx context.Context, w *Writer, s redisServer, to redisSaveSeen) error {
	s, err := s.again(ctx, w.Host)
	if err != nil {
		return nil // it is down
	}
	l, err := openRedis(ctx, w.Host, s)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.alone(); err != nil {
		return err
	}
	_, err = l.saveNow(ctx, w.Host, to)
	return err
}
