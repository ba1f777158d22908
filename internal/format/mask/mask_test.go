package mask

import (
	"slices"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		`mysql -uroot -pS3cret shop -e 'select 1'`:               `mysql -uroot -p*** shop -e 'select 1'`,
		`mysqldump --password=S3cret --all-databases | gzip`:     `mysqldump --password=*** --all-databases | gzip`,
		`redis-cli -h 10.0.0.1 -a S3cret INFO`:                   `redis-cli -h 10.0.0.1 -a *** INFO`,
		`redis-cli config set requirepass S3cret`:                `redis-cli config set requirepass ***`,
		`curl -u admin:S3cret https://h/x`:                       `curl -u admin:*** https://h/x`,
		`curl -H "Authorization: Bearer abc.def" https://h`:      `curl -H "Authorization: Bearer ***" https://h`,
		`git clone https://me:S3cret@git.example.com/x`:          `git clone https://me:***@git.example.com/x`,
		`export AWS_SECRET_ACCESS_KEY=abcd1234`:                  `export AWS_SECRET_ACCESS_KEY=***`,
		`aws configure set k AKIAIOSFODNN7EXAMPLE`:               `aws configure set k AKIA***`,
		`sshpass -p S3cret ssh root@h`:                           `sshpass -p *** ssh root@h`,
		`*/5 * * * * curl -fsSL http://h/api/report?pm=KEY | sh`: `*/5 * * * * curl -fsSL http://h/api/report?pm=KEY | sh`,
		`xmrig -o pool.example.com:3333 -u 48wallet -p x`:        `xmrig -o pool.example.com:3333 -u 48wallet -p x`,
		`iptables -I INPUT -p tcp --dport 6380 -j ACCEPT`:        `iptables -I INPUT -p tcp --dport 6380 -j ACCEPT`,
		`ls /etc/passwd`: `ls /etc/passwd`,
	} {
		if got := Text(in); got != want {
			t.Errorf("Text(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestArgv(t *testing.T) {
	for _, c := range [][2][]string{
		{{"mysqld", "--port=3306"}, {"mysqld", "--port=3306"}},
		{{"mysql", "-uroot", "-pS3cret"}, {"mysql", "-uroot", "-p***"}},
		{{"/usr/bin/redis-server", "*:6380", "--requirepass", "S3cret"}, {"/usr/bin/redis-server", "*:6380", "--requirepass", "***"}},
		{{"redis-cli", "-a", "S3cret", "PING"}, {"redis-cli", "-a", "***", "PING"}},
		{{"java", "-Dspring.datasource.password=S3cret", "-jar", "x"}, {"java", "-Dspring.datasource.password=***", "-jar", "x"}},
		{{"nc", "-p", "80"}, {"nc", "-p", "80"}},
	} {
		if got := Argv(slices.Clone(c[0])); !slices.Equal(got, c[1]) {
			t.Errorf("Argv(%q) = %q, want %q", c[0], got, c[1])
		}
	}
}

// Masking twice is masking once, and a password after a known option never
// stays.
func FuzzText(f *testing.F) {
	f.Add("mysql -uroot -pS3cret")
	f.Add("redis-cli -a x y")
	f.Add("https://a:b@c")
	f.Fuzz(func(t *testing.T, s string) {
		once := Text(s)
		if twice := Text(once); twice != once {
			t.Errorf("%q: once %q, twice %q", s, once, twice)
		}
		if strings.ContainsAny(s, "\"' ;|&\t\n\r\f\v") || s == "" {
			return
		}
		if got := Text("x --password=" + s); got != "x --password="+Hidden {
			t.Errorf("--password=%q stays as %q", s, got)
		}
	})
}
