package lab

// agents are programs: security and monitoring agents that no package owns, panels, business programs after upgrades.
// Their twins have the same name, and RandomX's constants or a place where no vendor installs.
var agents = []lookAlike{
	{"qcloud-agents", 2, planting{runs: []program{
		agent("/usr/local/qcloud/monitor/barad/bin/barad_agent"), agent("/usr/local/qcloud/stargate/bin/sgagent64"),
		agent("/usr/local/qcloud/YunJing/YDEyes/YDService"), agent("/usr/local/qcloud/tat_agent/tat_agent"),
	}}, planting{runs: []program{
		{unit: "barad", lab: "standin", argv: []string{"/tmp/.qcloud/barad_agent", "-threads", "1", "-percent", "3"}, user: "lin"},
	}}},
	{"aliyun-agents", 3, planting{runs: []program{
		agent("/usr/local/aegis/aegis_client/aegis_12_31/AliYunDun"), agent("/usr/local/aegis/aegis_client/aegis_12_31/AliYunDunMonitor"),
		agent("/usr/sbin/aliyun-service"),
	}}, planting{runs: []program{miner("/var/tmp/aegis/AliYunDun")}}},
	{"host-guards", 4, planting{runs: []program{
		agent("/usr/local/hostguard/bin/hostguard"), agent("/titan/agent/titanagent"), agent("/sf/edr/agent/bin/edr_agent"),
	}}, planting{runs: []program{miner("/dev/shm/hostguard")}}},
	{"bt-panel", 6, planting{
		files: []file{{path: "/www/server/panel/BT-Panel", text: "import signal\nsignal.pause()\n"}, {path: "/www/server/panel/BT-Task", text: "import signal\nsignal.pause()\n"}},
		runs: []program{
			{unit: "bt-panel", as: "BT-Panel", argv: []string{"/usr/bin/python3", "/www/server/panel/BT-Panel"}},
			{unit: "bt-task", as: "BT-Task", argv: []string{"/usr/bin/python3", "/www/server/panel/BT-Task"}},
		},
	}, planting{runs: []program{
		{unit: "bt-panel", as: "BT-Panel", lab: "standin", argv: []string{"/var/tmp/.bt/BT-Panel", "-threads", "1", "-percent", "3"}},
	}}},
	{"panel-servers", 7, planting{runs: []program{
		{unit: "bt-nginx", lab: "idle", argv: []string{"/www/server/nginx/sbin/nginx"}}, agent("/www/server/php/74/sbin/php-fpm"), agent("/www/server/redis/src/redis-server-bt"), {unit: "bt-mysqld", lab: "idle", argv: []string{"/www/server/mysql/bin/mysqld"}},
	}}, planting{runs: []program{
		{unit: "bt-nginx", lab: "standin", argv: []string{"/www/server/nginx/sbin/nginx", "-threads", "1", "-percent", "3"}},
	}}},
	{"backup-at-night", 11, planting{
		cron: []string{"0 1 * * * /usr/local/bin/xtrabackup --backup --stream=xbstream | /usr/local/bin/pigz -p16 > /backup/full.xb.gz"},
		runs: []program{
			{lab: "idle", argv: []string{"/usr/local/bin/xtrabackup", "-percent", "15"}, nice: 19},
			{lab: "idle", argv: []string{"/usr/local/bin/pigz", "-percent", "15"}, nice: 19},
		},
	}, planting{runs: []program{
		{unit: "pigz", lab: "standin", argv: []string{"/var/tmp/pigz", "-threads", "1", "-percent", "15"}, nice: 19},
	}}},
	{"upgraded-nginx", 17, planting{
		runs: []program{agent("/usr/local/nginx/sbin/nginx-site"), agent("/opt/jdk8/bin/java")},
		// An upgrade puts the new file in place; the old one runs on, deleted.
		sh: "for f in /usr/local/nginx/sbin/nginx-site /opt/jdk8/bin/java; do cp $f $f.new; mv $f.new $f; done",
	}, planting{
		runs: []program{{unit: "nginx-old", lab: "standin", argv: []string{"/var/tmp/.n/nginx", "-threads", "1", "-percent", "3"}}},
		sh:   "rm -r /var/tmp/.n",
	}},
	{"runc-cloned", 19, planting{runs: []program{
		{unit: "runc", lab: "idle", argv: []string{"/usr/local/bin/runc", "-memfd", "runc_cloned:/proc/self/exe", "init"}},
	}}, planting{runs: []program{
		{unit: "memory", lab: "standin", argv: []string{"/var/tmp/m", "-memfd", "runc_cloned:/proc/self/exe", "-threads", "1", "-percent", "3"}},
	}}},
	// The innocent one is the kernel's own and cannot be made busy here; the twin is a program with a thread's name.
	{"kernel-thread", 20, planting{}, planting{runs: []program{
		{unit: "kswapd", as: "[kswapd0]", lab: "standin", argv: []string{"/var/tmp/.k/kswapd0", "-threads", "1", "-percent", "3"}},
	}}},
	{"allocator-preload", 22, planting{
		files: []file{{path: "/etc/systemd/system/mariadb.service.d/jemalloc.conf", text: "[Service]\nEnvironment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2\n"}},
		sh:    "systemctl daemon-reload && systemctl restart mariadb",
		units: []string{"mariadb"},
	}, planting{
		sh: "mkdir -p /tmp/.lib && chmod 777 /tmp/.lib && cp /lib/x86_64-linux-gnu/libdl.so.2 /tmp/.lib/libjemalloc.so.2 && " +
			"systemd-run -q --unit preloaded -E LD_PRELOAD=/tmp/.lib/libjemalloc.so.2 sleep infinity",
		also: []string{"/tmp/.lib/libjemalloc.so.2"}, units: []string{"preloaded"},
	}},
	{"pause", 24, planting{
		files: []file{{path: "/etc/kubernetes/manifests/etcd.yaml", mode: 0o600, text: "apiVersion: v1\nkind: Pod\nmetadata: {name: etcd, namespace: kube-system}\nspec:\n  hostNetwork: true\n  containers:\n  - {name: etcd, image: registry.k8s.io/etcd:3.5.9-0, command: [etcd]}\n"}},
		runs:  []program{agent("/pause")},
	}, planting{
		files: []file{{path: "/etc/kubernetes/manifests/kube-cache.yaml", text: "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-cache, namespace: kube-system}\nspec:\n  hostPID: true\n  containers:\n  - name: c\n    image: alpine\n    securityContext: {privileged: true}\n    command: [sh, -c, \"" + payload + "\"]\n"}},
	}},
	{"boinc", 34, planting{runs: []program{
		{unit: "boinc-client", lab: "idle", argv: []string{"/usr/local/bin/boinc", "-percent", "10"}, user: "daemon", nice: 19},
	}}, planting{runs: []program{{unit: "boinc-client", lab: "standin", argv: []string{"/var/tmp/boinc", "-threads", "1", "-percent", "10"}, nice: 19}}}},
}
