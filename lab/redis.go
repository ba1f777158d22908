package lab

import (
	"context"
	"fmt"
	"time"
)

const (
	redisConf   = "/etc/redis/redis-6380.conf"
	redisDir    = "/var/lib/redis-6380"
	replicaPort = DoorPort + 1
)

// redisText is the dev team's instance as they left it. The line about protected configs makes Redis 7 behave as the
// old ones did; see https://redis.io/docs/latest/operate/oss_and_stack/management/security.
const redisText = `# flash sale, do not touch during a sale
bind 0.0.0.0 -::*
port 6380
protected-mode no
enable-protected-configs yes
daemonize no
dir ` + redisDir + `
dbfilename dump.rdb
save 3600 1
logfile /var/log/redis-6380.log
`

const replicaText = `# reports read here
bind 127.0.0.1
port 6381
replicaof 127.0.0.1 6380
daemonize no
dir /var/lib/redis-6381
dbfilename dump.rdb
logfile /var/log/redis-6381.log
`

func redisUnit(port int, what string) string {
	return fmt.Sprintf(`[Unit]
Description=Redis %[1]d (%[2]s)
After=network.target

[Service]
ExecStart=/usr/bin/redis-server /etc/redis/redis-%[1]d.conf
Restart=on-failure
LimitNOFILE=65535

[Install]
WantedBy=multi-user.target
`, port, what)
}

// redis lays out the shop's instance and, if asked for, its replica.
func redis(t *tree, h *Host) {
	h.Facts.Redis = Redis{Service: "redis-6380.service", Config: redisConf, Dir: redisDir, DumpFile: "dump.rdb", Port: DoorPort, User: "root"}
	if h.Config.RedisBy == ByHand {
		h.Facts.Redis.Service = ""
	}
	t.write(file{path: redisConf, text: redisText})
	t.dir(redisDir, 0o755, 0, 0)
	t.unit("redis-6380.service", redisUnit(DoorPort, "flash sale"), h.Config.RedisBy == ByUnit)
	if h.Config.Replica {
		t.write(file{path: "/etc/redis/redis-6381.conf", text: replicaText})
		t.dir("/var/lib/redis-6381", 0o755, 0, 0)
		t.unit("redis-6381.service", redisUnit(replicaPort, "reports"), true)
	}
}

// servers are the units that the shop needs, and its own.
func (h *Host) servers() []string {
	units := []string{"mariadb.service", "shop.service"}
	if h.Config.RedisBy == ByUnit {
		units = append(units, "redis-6380.service")
	}
	if h.Config.Replica {
		units = append(units, "redis-6381.service")
	}
	return units
}

// launchRedis starts by hand, from the office, what no unit starts; the session ends and Redis stays.
func (h *Host) launchRedis(ctx context.Context) error {
	if h.Config.RedisBy == ByHand {
		start := "setsid redis-server " + redisConf + " </dev/null >/dev/null 2>&1 &"
		if _, err := h.must(ctx, h.World, "", sshArgs(OperatorV4, "owner", "root@"+HostV4, start)...); err != nil {
			return fmt.Errorf("start Redis by hand: %w", err)
		}
	}
	return until(ctx, 90*time.Second, "Redis to answer", func() error {
		if _, err := h.sh(ctx, fmt.Sprintf("redis-cli -p %d PING | grep -q PONG", DoorPort)); err != nil {
			return err
		}
		return h.copied(ctx)
	})
}

// copied says whether the replica, if there is one, has what the shop's Redis has.
func (h *Host) copied(ctx context.Context) error {
	if !h.Config.Replica {
		return nil
	}
	_, err := h.sh(ctx, fmt.Sprintf("redis-cli -p %d INFO replication | grep -q master_link_status:up", replicaPort))
	return err
}
