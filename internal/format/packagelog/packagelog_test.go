package packagelog

import (
	"strings"
	"testing"
	"unicode/utf8"
)

var lines = map[string]string{
	"2026-11-22 18:59:40 install masscan:amd64 <none> 2:1.3.2+ds1-1":                "installed masscan:amd64 2:1.3.2+ds1-1",
	"2026-11-22 18:59:41 remove auditd:amd64 1:3.0.9-1 <none>":                      "removed auditd:amd64 <none>",
	"Nov 22 18:59:40 Installed: masscan-1.0.3-1.el7.x86_64":                         "installed masscan-1.0.3-1.el7.x86_64",
	"2026-11-22T18:59:40+0800 SUBDEBUG Installed: masscan-1.0.3-1.x86_64":           "installed masscan-1.0.3-1.x86_64",
	"Nov 22 18:59:40 Erased: aegis-1.0":                                             "removed aegis-1.0",
	"2026-11-22 18:59:40|install|masscan|1.3.2-1.1|x86_64|root@shop|repo-oss|9f8e|": "installed masscan 1.3.2-1.1",
	"2026-11-22 18:59:40|remove |auditd|3.0.9-1|x86_64|root@shop|":                  "removed auditd 3.0.9-1",
	"2026-11-22 18:59:40|command|root@shop|'zypper' 'install' 'masscan'|":           " ",
	"2026-11-22 18:59:40|install||":                                                 " ",
	"[2026-11-22T18:59:40+0800] [ALPM] installed masscan (1.3.2-1)":                 "installed masscan (1.3.2-1)",
	"[2026-11-22T18:59:40+0800] [ALPM] removed audit (4.0-1)":                       "removed audit (4.0-1)",
	"[2026-11-22T18:59:40+0800] [ALPM] upgraded openssl (3.0-1 -> 3.1-1)":           " ",
	"2026-11-22 18:59:40 status installed masscan:amd64 2:1.3.2":                    " ",
	"2026-11-22 18:59:40 startup archives install ":                                 " ",
	"2026-11-22 18:59:40 upgrade openssl:amd64 3.0.1 3.0.2 after install x":         " ",
}

func TestParse(t *testing.T) {
	for line, want := range lines {
		done, name, ok := Parse([]byte(line))
		if done+" "+name != want || ok != (want != " ") {
			t.Errorf("%s: %q %q", line, done, name)
		}
		anchored := false
		for _, a := range Anchors {
			anchored = anchored || strings.Contains(line, a)
		}
		if ok && !anchored {
			t.Errorf("no anchor in %q", line)
		}
	}
}

func FuzzParse(f *testing.F) {
	for line := range lines {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, name, ok := Parse(b); ok == (name == "") || !utf8.ValidString(name) {
			t.Errorf("%q %v", name, ok)
		}
	})
}
