package respond

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
	"demine/internal/i18n"
)

// redisRestart ends a group of changes that count only from the next start on.
// What it does is undone by redis.save, the first of the group.
var redisRestart = define(spec[redisRestartWith, redisRestartSeen, redisRestartUndo]{
	Name: "redis.restart", Phase: Harden, Unsure: true,
	Look: lookRedisRestart, Prepare: prepareRedisRestart, Do: doRedisRestart,
	Undo: func(context.Context, *Writer, redisRestartWith, redisRestartUndo) error { return nil },
})

type redisRestartWith struct {
	Server redisServer `json:"server"`
	Port   int         `json:"port"`          // on which it listens afterwards
	UID    int         `json:"uid,omitempty"` // whom it runs as afterwards; 0: as before
	GID    int         `json:"gid,omitempty"`
}

type redisRestartSeen struct {
	PID int `json:"pid"`
}

type redisRestartUndo struct {
	Seen redisSaveSeen `json:"seen"`
}

func lookRedisRestart(_ context.Context, h *host.Host, with redisRestartWith) (redisRestartSeen, error) {
	return redisRestartSeen{with.Server.PID}, with.Server.process(h)
}

func prepareRedisRestart(ctx context.Context, w *Writer, with redisRestartWith) (redisRestartUndo, error) {
	l, err := openRedis(ctx, w.Host, with.Server)
	if err != nil {
		return redisRestartUndo{}, err
	}
	defer l.Close()
	seen, err := l.savesTo(w.Host)
	return redisRestartUndo{seen}, err
}

func doRedisRestart(ctx context.Context, w *Writer, with redisRestartWith, u redisRestartUndo) (i18n.Message, error) {
	l, err := openRedis(ctx, w.Host, with.Server)
	if err != nil {
		return i18n.Message{}, err
	}
	defer l.Close()
	if err := errors.Join(l.alone(), l.startedBut(ctx, w)); err != nil {
		return i18n.Message{}, err
	}
	if _, err := l.saveNow(ctx, w.Host, u.Seen); err != nil {
		return i18n.Message{}, err
	}
	keys, expires, err := l.size()
	if err != nil {
		return i18n.Message{}, err
	}
	r := redisRestarting{w: w, server: with.Server, to: u.Seen, keys: keys, expires: expires, uid: with.UID, gid: with.GID, own: with.UID != 0}
	r.server.Port = with.Port
	if with.UID == 0 {
		if r.uid, err = uidOf(w.Host, with.Server.PID); err != nil {
			return i18n.Message{}, err
		}
	}
	begin := w.Host.Now()
	if err := r.restart(ctx); err != nil {
		return i18n.Message{}, err
	}
	return i18n.M("outcome.redis-restarted", "unit", with.Server.Unit, "pid", r.pid, "took", w.Host.Now().Sub(begin).Seconds(), "keys", r.keys), nil
}

// startedBut makes sure that nobody has started it anew or edited units since.
func (l *liveRedis) startedBut(ctx context.Context, w *Writer) error {
	pid, err := w.Units.Show(ctx, l.server.Unit, "MainPID")
	if err != nil {
		return err
	}
	if pid != strconv.Itoa(l.server.PID) {
		return ErrDrifted
	}
	return othersPending(ctx, w, l.server.Unit)
}

// redisRestarting is one restart with all that is expected after it.
type redisRestarting struct {
	w             *Writer
	server        redisServer
	to            redisSaveSeen
	keys, expires int64 // before; -1: nobody counted
	uid, gid      int
	own           bool // what it writes when it stops is given to the new user
	pid           int  // afterwards
}

// apart: what the old user writes when it stops must be handed over before the
// new one starts, or that could not read it.
func (r *redisRestarting) apart() bool {
	i, err := r.w.Host.Files.Lstat(host.Join(r.to.Dir, string(r.to.File)))
	return r.own && (err != nil || i.Mode&0o004 == 0)
}

// redisStarts is how long a server may read its data before it counts as
// failed.
const redisStarts = 60 * time.Second

func (r *redisRestarting) restart(ctx context.Context) error {
	if v, err := r.w.Units.Show(ctx, r.server.Unit, "NeedDaemonReload"); err != nil || v == "true" {
		if err := errors.Join(err, r.w.Units.DaemonReload(ctx)); err != nil {
			return err
		}
	}
	if r.own { // what was just rewritten: the append-only log is opened for writing
		if err := r.ownData(); err != nil {
			return err
		}
	}
	if err := r.cycle(ctx); err != nil {
		return err
	}
	if err := r.healthy(ctx); err != nil || !r.own {
		return err
	}
	return r.ownData()
}

// cycle prefers one restart over a stop and a start: if demine were killed
// between the two, the server would stay down.
func (r *redisRestarting) cycle(ctx context.Context) error {
	if !r.apart() {
		return r.w.Units.Restart(ctx, r.server.Unit)
	}
	if err := r.w.Units.Stop(ctx, r.server.Unit); err != nil {
		return err
	}
	err := r.ownData()
	return errors.Join(err, r.w.Units.Start(ctx, r.server.Unit))
}

// ownData gives what was written on stopping, as the old user, to the new one.
func (r *redisRestarting) ownData() error {
	for _, p := range dataIn(r.w.Host, r.to) {
		was, err := ownerAt(r.w.Host, p)
		if err != nil {
			return err
		}
		to := was
		to.UID, to.GID = r.uid, r.gid
		if was == to {
			continue
		}
		if err := r.w.Files.SetOwner(p, was, to); err != nil {
			return err
		}
	}
	return nil
}

// healthy asks over new connections until all is as it must be.
func (r *redisRestarting) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, redisStarts)
	defer cancel()
	for {
		err := r.check(ctx)
		if err == nil {
			return nil
		}
		if r.w.Host.Wait(ctx, 50*time.Millisecond) != nil {
			return fmt.Errorf("after the restart: %w", err)
		}
		if state, e := r.w.Units.Show(ctx, r.server.Unit, "ActiveState"); e == nil && (state == "failed" || state == "inactive") {
			return fmt.Errorf("after the restart: %s is %s: %w", r.server.Unit, state, err)
		}
	}
}

func (r *redisRestarting) check(ctx context.Context) error {
	text, err := r.w.Units.Show(ctx, r.server.Unit, "MainPID")
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 0 {
		return fmt.Errorf("%s has no process", r.server.Unit)
	}
	start, err := redisStartOf(r.w.Host, pid)
	if err != nil {
		return err
	}
	s := r.server
	s.PID, s.Start = pid, start
	l, err := openRedis(ctx, r.w.Host, s)
	if err != nil {
		return err
	}
	defer l.Close()
	r.pid = pid
	uid, err := uidOf(r.w.Host, pid)
	if err != nil {
		return err
	}
	if uid != r.uid {
		return fmt.Errorf("it runs as user %d, not %d", uid, r.uid)
	}
	if l.info["process_id"] != text {
		return fmt.Errorf("process %s answers for %s", fact.Text([]byte(l.info["process_id"])), text)
	}
	if l.info["loading"] == "1" {
		return errors.New("it still reads its data")
	}
	if to, err := l.savesTo(r.w.Host); err != nil || to != r.to {
		return errors.Join(err, errors.New("it does not save where it did"))
	}
	return r.checkKeys(l)
}

// checkKeys: all keys are there again but those that expired, and a hundredth
// that clients may have deleted in between.
func (r *redisRestarting) checkKeys(l *liveRedis) error {
	keys, _, err := l.size()
	if err == nil && r.keys >= 0 && keys+r.expires+r.keys/100 < r.keys {
		err = fmt.Errorf("it has %d keys, and had %d", keys, r.keys)
	}
	if err == nil {
		r.keys = keys
	}
	return err
}

func redisStartOf(h *host.Host, pid int) (uint64, error) {
	b, _, err := h.Files.ReadFile(procPath(pid, "stat"), 4096)
	if err != nil {
		return 0, err
	}
	st, err := proc.Stat(b)
	return st.Start, err
}

// uidOf gives the user that a process runs as, in effect; gidOf its group.
func uidOf(h *host.Host, pid int) (int, error) { return statusID(h, pid, "Uid:") }
func gidOf(h *host.Host, pid int) (int, error) { return statusID(h, pid, "Gid:") }

func statusID(h *host.Host, pid int, key string) (int, error) {
	b, _, err := h.Files.ReadFile(procPath(pid, "status"), 16<<10)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if ids, ok := strings.CutPrefix(line, key); ok {
			if f := strings.Fields(ids); len(f) == 4 {
				return strconv.Atoi(f[1])
			}
		}
	}
	return 0, fmt.Errorf("process %d: no %s", pid, key)
}

// dataIn gives the files of the data that are there, as they are now.
func dataIn(h *host.Host, to redisSaveSeen) []fact.Path {
	out := []fact.Path{host.Join(to.Dir, string(to.File))}
	if sub, _, ok := strings.Cut(to.AOF, "/"); ok {
		out = append(out, host.Join(to.Dir, sub))
		names, _ := h.Files.Names(host.Join(to.Dir, sub))
		for _, n := range names {
			out = append(out, host.Join(host.Join(to.Dir, sub), n))
		}
	} else if to.AOF != "" {
		out = append(out, host.Join(to.Dir, to.AOF))
	}
	return slices.DeleteFunc(out, func(p fact.Path) bool {
		_, err := h.Files.Lstat(p)
		return err != nil
	})
}

func ownerAt(h *host.Host, p fact.Path) (FileOwner, error) {
	i, err := h.Files.Lstat(p)
	return FileOwner{ID: i.ID, Type: i.Type, Mode: i.Mode, UID: i.UID, GID: i.GID}, err
}
