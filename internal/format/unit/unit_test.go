package unit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const redis = `[Unit]
Description=Advanced key-value store
Documentation=http://redis.io/documentation, man:redis-server(1)

[Service]
Type=notify
ExecStart=/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd \
# a comment in the middle
  --daemonize no
ExecStop=-/bin/kill -s TERM $MAINPID
; old
Environment = "A=b c"
[Install]
WantedBy=multi-user.target
Alias=redis.service`

func TestParse(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []Section
	}{
		{"redis", redis, []Section{
			{"Unit", []Entry{{"Description", "Advanced key-value store", 2},
				{"Documentation", "http://redis.io/documentation, man:redis-server(1)", 3}}},
			{"Service", []Entry{{"Type", "notify", 6},
				{"ExecStart", "/usr/bin/redis-server /etc/redis/redis.conf --supervised systemd  --daemonize no", 7},
				{"ExecStop", "-/bin/kill -s TERM $MAINPID", 10},
				{"Environment", `"A=b c"`, 12}}},
			{"Install", []Entry{{"WantedBy", "multi-user.target", 14}, {"Alias", "redis.service", 15}}},
		}},
		{"byte order mark, CRLF", "\xef\xbb\xbf[Service]\r\nExecStart=/x\r\n", []Section{{"Service", []Entry{{"ExecStart", "/x", 2}}}}},
		{"CRLF continues", "[A]\r\nX=a \\\r\n b\r\n", []Section{{"A", []Entry{{"X", "a  b", 2}}}}},
		{"nothing before a section", "ExecStart=/x\n[bad\n[A]\nno equals\n", []Section{{Name: "A"}}},
		{"escaped backslash ends", "[A]\nX=a\\\\\nY=b\n", []Section{{"A", []Entry{{"X", `a\\`, 2}, {"Y", "b", 3}}}}},
		{"continues at the end", "[A]\nX=a \\", []Section{{"A", []Entry{{"X", "a", 2}}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, Parse([]byte(tc.in))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestExec(t *testing.T) {
	for in, want := range map[string][]string{
		`/bin/a b  c`:                           {"/bin/a", "b", "c"},
		`-/bin/a`:                               {"/bin/a"},
		`@-/usr/bin/java [kworker/0:1] -x`:      {"/usr/bin/java", "-x"},
		`+!!/bin/a`:                             {"/bin/a"},
		`/bin/sh -c 'curl "http://x" | sh'`:     {"/bin/sh", "-c", `curl "http://x" | sh`},
		`/bin/sh -c "a \"b\" $X %n \x41\101\s"`: {"/bin/sh", "-c", `a "b" $X %n AA `},
		`/bin/a mid"dle q"uote`:                 {"/bin/a", "middle quote"},
		`/bin/a ; /bin/b \; c`:                  {"/bin/a", ";", "/bin/b", ";", "c"},
		`/bin/a "open`:                          {"/bin/a", "open"},
		`/bin/a \q \`:                           {"/bin/a", `\q`, `\`},
		`/bin/a "" b`:                           {"/bin/a", "", "b"},
		``:                                      nil,
		`  `:                                    nil,
	} {
		if d := cmp.Diff(want, Exec(in)); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
}

func TestCommands(t *testing.T) {
	// A drop-in resets ExecStart and adds two commands in one line.
	secs := Parse([]byte("[Service]\nExecStart=/a\nExecStartPre=/p\nExecPaths=/x\nExecStart=\n[Service]\nExecStart=/b \";\" x ; /c\nExecStopPost=/d\n"))
	want := []Entry{{"ExecStartPre", "/p", 3}, {"ExecStart", `/b ";" x`, 7}, {"ExecStart", "/c", 7}, {"ExecStopPost", "/d", 8}}
	if d := cmp.Diff(want, Commands(secs)); d != "" {
		t.Error(d)
	}
}

// TestHost reads whatever units this machine has: every command must have a
// program.
func TestHost(t *testing.T) {
	names, _ := filepath.Glob("/lib/systemd/system/*.service")
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			continue
		}
		for _, e := range Commands(Parse(b)) {
			if w := Exec(e.Value); len(w) == 0 || w[0] == "" || strings.ContainsAny(w[0][:1], "@-:+!|") {
				t.Errorf("%s:%d: %q", n, e.Line, w)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(redis))
	f.Add([]byte("[A]\nExecStart=@-/bin/x 'a' \"b\\x41\" ; c \\\n d\nExecStart=\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		secs := Parse(b)
		lines, total := strings.Count(string(b), "\n")+1, 0
		for _, s := range secs {
			for _, e := range s.Entries {
				total += len(e.Value)
				if e.Line < 1 || e.Line > lines || strings.Contains(e.Value, "\n") {
					t.Fatalf("bad entry %+v", e)
				}
			}
		}
		if total > 4*len(b) { // a byte that is not UTF-8 becomes four
			t.Fatalf("%d bytes of values out of %d", total, len(b))
		}
		for _, e := range Commands(secs) {
			if e.Value == "" {
				t.Fatal("empty command")
			}
			for _, w := range Exec(e.Value) {
				if len(w) > len(e.Value) {
					t.Fatalf("word %q is longer than %q", w, e.Value)
				}
			}
		}
	})
}
