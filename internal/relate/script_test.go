package relate

import (
	"strings"
	"testing"

	"demine/internal/fact"
)

func TestScript(t *testing.T) {
	for in, want := range map[string]fact.Path{
		"/usr/bin/python3.11 /tmp/x.py -o a":               "/tmp/x.py",
		"/usr/bin/python3 -u -W ignore m.py":               "/srv/m.py",
		"/usr/bin/python3 -c import_x":                     "",
		"/usr/bin/python3 -m http.server":                  "",
		"/usr/bin/python3 -":                               "",
		"/usr/bin/python3":                                 "",
		"/usr/bin/perl -w ./a/../x.pl":                     "/srv/x.pl",
		"/usr/bin/perl -we print":                          "",
		"/usr/bin/node --max-old-space-size=9 x.js":        "/srv/x.js",
		"/usr/bin/node -r dotenv x.js":                     "/srv/x.js",
		"/usr/bin/nodejs --eval x":                         "",
		"/usr/bin/php8.2 -d a=b x.php":                     "/srv/x.php",
		"/bin/bash -c x":                                   "",
		"/bin/dash -- /dev/shm/x":                          "/dev/shm/x",
		"/usr/lib/jvm/17/bin/java -Xmx1g -jar /tmp/a.jar":  "/tmp/a.jar",
		"/usr/lib/jvm/17/bin/java -cp /tmp/c:/opt/x Main":  "/tmp/c",
		"/usr/lib/jvm/17/bin/java -server Main":            "",
		"/usr/lib/jvm/17/bin/java -Xss1m /tmp/M.java -t 2": "/tmp/M.java",
		"/usr/sbin/nginx -c /tmp/x":                        "",
	} {
		argv := strings.Fields(in)
		if got := Script(&fact.Process{Exe: fact.Path(argv[0]), Argv: argv, Cwd: "/srv"}); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	if got := Script(&fact.Process{Exe: "/usr/bin/python3", Argv: []string{"python3", "x.py"}}); got != "" {
		t.Errorf("without a working folder: %q", got)
	}
}

// TestShared: the script is the implant, not the Python of the panel; but a
// miner that is only named like one is.
func TestShared(t *testing.T) {
	for exe, want := range map[fact.Path]bool{
		"/www/server/panel/pyenv/bin/python3.7":   true,
		"/root/.pyenv/versions/3.11.7/bin/python": true,
		"/usr/bin/python3":                        true,
		"/tmp/python3":                            false,
		"/opt/miner/python3":                      false,
		"/opt/miner/worker":                       false,
	} {
		p := fact.Process{Ref: "process:9", PID: 9, Exe: exe, ExeFile: "file:x", Argv: []string{"python3", "/tmp/m.py"}}
		f := fact.File{Ref: "file:x", Path: exe}
		if exe == "/opt/miner/python3" {
			f.Patterns = []fact.Pattern{{ID: "x", Strength: "conclusive"}}
		}
		x := New(&fact.Snapshot{Process: []fact.Process{p}, File: []fact.File{f}})
		if got := x.Shared(x.PID(9)); got != want {
			t.Errorf("%s: %v, want %v", exe, got, want)
		}
	}
}
