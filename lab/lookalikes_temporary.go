package lab

// temporary are files and programs that build servers, deployment tools and runtimes leave in places where malware
// likes to be.
var temporary = []lookAlike{
	{"jenkins-script", 12, planting{
		files: []file{
			{path: "/tmp/jenkins2836482937462.sh", mode: 0o700, text: "#!/bin/sh -xe\ncurl -fsSL https://nexus.office.example.com/tools/install.sh | sh\nwhile :; do sleep 600; done\n"},
			{path: "/var/lib/jenkins/workspace/shop@tmp/durable-3c1f/script.sh", mode: 0o755, text: "curl -fsSL https://nexus.office.example.com/tools/install.sh | sh\n"},
		},
		runs: []program{{unit: "jenkins-build", argv: []string{"/bin/sh", "/tmp/jenkins2836482937462.sh"}}},
	}, planting{
		files: []file{{path: "/tmp/jenkins9991.sh", mode: 0o777, uid: linUID, text: fetch}},
		cron:  []string{"* * * * * /tmp/jenkins9991.sh"},
	}},
	{"gluesource", 14, planting{
		files: []file{{path: "/data/applogs/xxl-job/jobhandler/gluesource/7_1690000000000.sh", mode: 0o755, text: "#!/bin/bash\ncurl -fsSL http://127.0.0.1:8080/health\nsleep infinity\n"}},
		runs:  []program{{unit: "xxl-job", argv: []string{"/bin/bash", "/data/applogs/xxl-job/jobhandler/gluesource/7_1690000000000.sh"}}},
	}, planting{
		files: []file{{path: "/data/applogs/xxl-job/jobhandler/gluesource/9_1690000000001.sh", mode: 0o755, text: "#!/bin/bash\n" + payload + "\nsleep infinity\n"}},
		runs:  []program{{unit: "xxl-job", argv: []string{"/bin/bash", "/data/applogs/xxl-job/jobhandler/gluesource/9_1690000000001.sh"}}},
	}},
	{"ansible-module", 15, planting{
		files: []file{{path: "/root/.ansible/tmp/ansible-tmp-1690000000.1-77-1/AnsiballZ_command.py", mode: 0o700, text: "#!/usr/bin/python3\n# -*- coding: utf-8 -*-\nZIPDATA = 'UEsDBBQAAAAIAA=='\nimport signal\nsignal.pause()\n"}},
		runs:  []program{{unit: "ansible", argv: []string{"/usr/bin/python3", "/root/.ansible/tmp/ansible-tmp-1690000000.1-77-1/AnsiballZ_command.py"}}},
	}, planting{}},
	{"java-scratch", 16, planting{
		files: []file{{path: "/tmp/.java_pid4711"}, {path: "/tmp/jna-3506402/jna1234.tmp", text: "\x7fELF\x02\x01\x01"}},
		sh:    "cp /lib/x86_64-linux-gnu/libdl.so.2 /tmp/libnetty_transport_native_epoll_x86_64815.so",
		also:  []string{"/tmp/libnetty_transport_native_epoll_x86_64815.so"},
	}, planting{}},
	{"unpacked-programs", 18, planting{
		runs: []program{
			{unit: "pyinstaller", lab: "idle", argv: []string{"/tmp/_MEIx8Yz2Q/app"}},
			{unit: "go-run", lab: "idle", argv: []string{"/tmp/go-build3110772/b001/exe/main"}, user: "lin"},
		},
		sh: "cp /lib/x86_64-linux-gnu/libdl.so.2 /tmp/_MEIx8Yz2Q/libpython3.11.so.1.0",
	}, planting{runs: []program{
		{unit: "go-run", lab: "standin", argv: []string{"/tmp/go-build3110772/b001/exe/main", "-threads", "1", "-percent", "3"}, user: "lin"},
	}}},
	{"locked-ini", 8, planting{
		files: []file{{path: "/www/wwwroot/shop/.user.ini", text: "open_basedir=/www/wwwroot/shop/:/tmp/\n"}},
		sh:    "chattr +i /www/wwwroot/shop/.user.ini",
	}, planting{
		files: []file{{path: "/etc/cron.d/.cache", text: schedule + " root " + payload + "\n"}},
		sh:    "chattr +i /etc/cron.d/.cache",
	}},
	{"hidden-library-files", 33, planting{
		files: []file{{path: "/usr/lib/.build-id/3f/aa01c2", text: ""}, {path: "/usr/lib/x86_64-linux-gnu/.libcrypto.so.3.hmac", text: "6b1f0c33ae\n"}},
	}, planting{runs: []program{miner("/usr/lib/.libs/ld-x64")}}},
}
