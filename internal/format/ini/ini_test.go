package ini

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const file = `# a comment
listen_addresses = '*'		# what IP address(es)
port 5432
password='a#b;c'
[MySQLd]
skip-grant-tables
bind-address		= 0.0.0.0 ; everybody
!includedir /etc/mysql/conf.d/
pass=a#b
[inet_http_server]
 auth users = one, two
port: *:9001 ; all
=
`
	var got []string
	for _, s := range Parse([]byte(file)) {
		got = append(got, fmt.Sprintf("%d %s=%s", s.Origin.Line, s.Name, s.Value))
	}
	want := []string{
		"2 listen_addresses=*", "3 port=5432", "4 password=a#b;c", "6 mysqld.skip-grant-tables=", "7 mysqld.bind-address=0.0.0.0",
		"8 !includedir=/etc/mysql/conf.d/", "9 mysqld.pass=a#b", "11 inet_http_server.auth users=one, two", "12 inet_http_server.port=*:9001", "13 inet_http_server.==",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("[a]\nb = 'c' # d\n!include e\nf g\n"))
	f.Add([]byte("=\n[\n'=\"\n\xff = \xfe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range Parse(b) {
			if s.Name == "" || !utf8.ValidString(s.Name+s.Value) || s.Origin.Line < 1 {
				t.Errorf("%+v", s)
			}
		}
	})
}
