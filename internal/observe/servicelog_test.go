package observe

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
	"demine/internal/host/fixture"
)

func infected() *fact.Snapshot {
	return &fact.Snapshot{
		Process: []fact.Process{{PID: 812, Comm: "httpd", Ref: "process:x/812@1"}, {PID: 813, Comm: "app", Ref: "process:x/813@1", Container: "0123456789ab"}},
		Account: []fact.Account{{Name: "www-data", UID: 33}},
		Service: []fact.Service{{Name: "redis", Settings: []fact.Setting{{Name: "dir", Value: "/data/redis"}, {Name: "appendfilename", Value: "appendonly.aof"}}}},
	}
}

func TestServiceLog(t *testing.T) {
	h, err := fixture.Load(filepath.Join("testdata", "servicelog.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	s := lookForTraces(t, h, infected(), servicelog, audit, packagelog)
	got := map[string]string{}
	for _, e := range s.Log {
		got[e.Kind+" "+e.Marker+e.Method+" "+fmt.Sprint(e.Origin.Path, ":", e.Origin.Line)] =
			fmt.Sprint(e.Service, e.User, " ", e.From, " ", e.Status, " x", e.Count, " ", e.Clock, " ", e.Time.UTC().Format("15:04:05"))
	}
	want := map[string]string{
		"java-lookup log4shell /var/log/nginx/access.log:2":                              "nginx 203.0.113.5 200 x2 exact 18:58:01",
		"redis-replica redis-replica /var/log/redis/redis-server.log:1":                  "redis 203.0.113.66 0 x1 zone 18:59:29",
		"redis-module redis-module /var/log/redis/redis-server.log:2":                    "redis  0 x1 zone 18:59:30",
		"postgres-program postgres-program /var/log/postgresql/postgresql-15-main.log:1": "postgresql  0 x1 exact 18:59:02",
		"deserialisation java-gadget /opt/shop/logs/app.log:2":                           "java  0 x1 near 18:59:00",
		"redis-command redis-cron-command /data/redis/appendonly.aof:7":                  "redis  0 x1 none 00:00:00",
		"service-shell shell-of-service /srv/odd/error.log:1":                            "odd 203.0.113.8 0 x1 zone 18:59:01",
		"log-wiped deleted /var/log/shop.log:0":                                          "  0 x0 none 00:00:00",
		"audit-exec /usr/bin/dash /var/log/audit/audit.log:1":                            "www-data  0 x0 exact 19:00:00",
		"package-installed  /var/log/dpkg.log:2":                                         "  0 x0 zone 18:59:40",
		"package-installed  /var/log/zypp/history:2":                                     "  0 x0 zone 18:59:41",
		"package-removed  /var/log/pacman.log:1":                                         "  0 x0 exact 18:59:42",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, e := range s.Log {
		if e.Kind == "java-lookup" && (e.Strength != "strong" || e.By != "servicelog" || e.Text == "") {
			t.Errorf("%+v", e)
		}
	}
}

// A log that its service writes and that is empty was emptied, unless it is new, was turned away, is
// rewritten by its service, or emptied when that begins. Those of syslog are told by who reads them.
func TestEmptiedLogs(t *testing.T) {
	at := func(clock string) time.Time {
		when, err := time.Parse(time.TimeOnly, clock)
		if err != nil {
			t.Fatal(err)
		}
		return when.AddDate(2026, 10, 21) // 22 November 2026
	}
	h, err := fixture.Parse([]byte(`
-- kernel/now --
2026-11-22T20:00:00Z
-- /proc/1/fd/1 -> /var/log/shop/emptied.log --
-- /proc/1/fd/2 -> /var/log/shop/new.log --
-- /proc/1/fd/3 -> /var/log/shop/turned.log --
-- /proc/1/fd/4 -> /var/log/shop/full.log --
-- /proc/1/fd/5 -> /var/log/shop/rewritten.log --
-- /proc/1/fd/6 -> /var/log/syslog --
-- /proc/2/fd/1 -> /var/log/shop/begun.log --
-- /proc/1/fdinfo/6 --
flags:	02102001
-- /var/log/syslog btime=2026-11-22T10:00:00Z mtime=2026-11-22T19:00:00Z --
-- /proc/1/fdinfo/1 --
pos:	0
flags:	02102001
-- /proc/1/fdinfo/2 --
flags:	02102001
-- /proc/1/fdinfo/3 --
flags:	02102001
-- /proc/1/fdinfo/4 --
flags:	02102001
-- /proc/1/fdinfo/5 --
flags:	0100001
-- /proc/2/fdinfo/1 --
flags:	02102001
-- /var/log/shop/emptied.log btime=2026-11-22T10:00:00Z mtime=2026-11-22T19:00:00Z --
-- /var/log/shop/new.log btime=2026-11-22T18:00:00Z mtime=2026-11-22T18:00:00Z --
-- /var/log/shop/turned.log btime=2026-11-22T10:00:00Z mtime=2026-11-22T18:00:00Z --
-- /var/log/shop/turned.log.1 --
line
-- /var/log/shop/full.log btime=2026-11-22T10:00:00Z mtime=2026-11-22T19:00:00Z --
line
-- /var/log/shop/rewritten.log btime=2026-11-22T10:00:00Z mtime=2026-11-22T19:00:00Z --
-- /var/log/shop/begun.log btime=2026-11-22T10:00:00Z mtime=2026-11-22T19:00:00Z --
`))
	if err != nil {
		t.Fatal(err)
	}
	s := lookForTraces(t, h, &fact.Snapshot{Process: []fact.Process{
		{PID: 1, Ref: "process:x/1@1", Started: at("09:59:59")}, {PID: 2, Ref: "process:x/2@1", Started: at("19:00:00")},
	}}, servicelog)
	var got []string
	for _, e := range s.Log {
		got = append(got, fmt.Sprint(e.Kind, " ", e.Method, " ", e.Origin.Path, " ", e.Time.UTC().Format(time.TimeOnly)))
	}
	if d := cmp.Diff([]string{"log-wiped empty /var/log/shop/emptied.log 19:00:00"}, got); d != "" {
		t.Error(d)
	}
}

// Without an attack to be explained they are not read, and not said to be.
func TestServiceLogWaits(t *testing.T) {
	h, err := fixture.Load(filepath.Join("testdata", "servicelog.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := lookAtHost(t, h, *infected(), servicelog, audit, packagelog)
	if len(s.Log) != 0 {
		t.Errorf("%+v", s.Log)
	}
}

func TestLooksLikeLog(t *testing.T) {
	for path, want := range map[string]bool{
		"/var/log/nginx/access.log.2.gz": true, "/var/log/httpd/access_log-20261115": true, "/opt/tomcat/logs/catalina.out": true,
		"/var/lib/mysql/host.err": true, "/var/lib/mysql/general.log": true, "/var/lib/mysql/aria_log.00000001": false, "/var/lib/mysql/ib_logfile0": false,
		"/var/lib/mysql/tc.log": false, "/var/lib/docker/containers/0a/0a-json.log": true, "/var/lib/docker/containers/0a/0a-json.log.1": true,
		"/var/lib/redis/appendonlydir/appendonly.aof.1.incr.aof": true, "/var/lib/redis/dump.rdb": false, "/var/log/auth.log": false, "/var/log/shop.log": true,
		"/usr/local/nginx/logs/nginx.pid": false,
	} {
		if got := looksLikeLog(fact.Path(filepath.Dir(path)), filepath.Base(path)); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
