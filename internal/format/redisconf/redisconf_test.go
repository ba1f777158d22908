package redisconf

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sample = `# Redis of the shop
bind 0.0.0.0 -::1
  Port 6380
requirepass "p w\x41\n\"x" # not a comment
dir '/var/lib/redis it\'s'
save ""
rename-command CONFIG ""
include /etc/redis/more.conf
user default on nopass ~* &* +@all
bad "unbalanced
bad "x"y
# include /no
dbfilename dump.rdb` + "\r\n"

func TestParse(t *testing.T) {
	want := []Directive{
		{"bind", []string{"0.0.0.0", "-::1"}, 2},
		{"port", []string{"6380"}, 3},
		{"requirepass", []string{"p wA\n\"x", "#", "not", "a", "comment"}, 4},
		{"dir", []string{"/var/lib/redis it's"}, 5},
		{"save", []string{""}, 6},
		{"rename-command", []string{"CONFIG", ""}, 7},
		{"include", []string{"/etc/redis/more.conf"}, 8},
		{"user", []string{"default", "on", "nopass", "~*", "&*", "+@all"}, 9},
		{"dbfilename", []string{"dump.rdb"}, 13},
	}
	if d := cmp.Diff(want, Parse([]byte(sample))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What Debian's redis-server 7.0.15 ships, without most of its comments.
func TestStock(t *testing.T) {
	b, err := os.ReadFile("testdata/redis.conf")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range Parse(b) {
		got[d.Name] = strings.Join(d.Args, " ")
	}
	for name, want := range map[string]string{
		"bind": "127.0.0.1 -::1", "protected-mode": "yes", "port": "6379", "dir": "/var/lib/redis",
		"client-output-buffer-limit": "pubsub 32mb 8mb 60",
	} {
		if got[name] != want {
			t.Errorf("%s %q, want %q", name, got[name], want)
		}
	}
	if _, ok := got["requirepass"]; ok {
		t.Error("requirepass is set")
	}
}

func TestSecretly(t *testing.T) {
	for name, want := range map[string]bool{"requirepass": true, "MasterAuth": true, "user": true, "dir": false, "": false} {
		if Secretly(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample), "a b")
	f.Add([]byte("a\x00b 'c"), "\x00\xff'\"\\")
	f.Fuzz(func(t *testing.T, b []byte, arg string) {
		last := 0
		for _, d := range Parse(b) {
			if d.Line <= last || d.Name != strings.ToLower(d.Name) || d.Name == "" && len(d.Args) == 0 && !strings.ContainsAny(string(b), "'\"") {
				t.Fatalf("%+v after line %d", d, last)
			}
			last = d.Line
		}
		// An argument written as Redis writes it (sdscatrepr) comes back.
		var q strings.Builder
		for _, c := range []byte(arg) {
			q.WriteString(`\x` + strconv.FormatInt(int64(c)>>4, 16) + strconv.FormatInt(int64(c)&15, 16))
		}
		got, ok := split(`x "` + q.String() + `"`)
		if !ok || len(got) != 2 || got[1] != arg {
			t.Fatalf("%q came back as %q", arg, got)
		}
	})
}
