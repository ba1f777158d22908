package mask

import (
	"slices"
	"strings"
	"testing"
)

// secretS stands in every line here and must be in none of the results.
const secretS = "S3cr3tS3cr3tS3cr3t42"

// kept are parts that must stay, blank-separated.
var hide = []struct{ in, kept string }{
	{"sudo -u www mysql -h db -uroot -p" + secretS + " shop", "sudo mysql -h db -uroot shop"},
	{"mysql -uroot --password " + secretS + " shop", "mysql -uroot shop"},
	{"mysql -uroot -p'" + secretS + "' shop", "shop"},
	{`mysql -e "set password = '` + secretS + `'"`, "mysql set"},
	{`mysql -e "create user a identified by '` + secretS + `'"`, "create user identified"},
	{"MYSQL_PWD=" + secretS + " mysql db", "mysql db"},
	{"PGPASSWORD='" + secretS + "' psql -h db", "psql -h db"},
	{"export REDISCLI_AUTH=" + secretS, "export"},
	{"redis-cli -h h -p 6380 -a " + secretS + " --no-auth-warning info", "-h -p 6380 --no-auth-warning info"},
	{"redis-cli -h h auth " + secretS, "redis-cli auth"},
	{"redis-cli -h h AUTH default " + secretS, "redis-cli AUTH"},
	{"redis-cli -u redis://u:" + secretS + "@h:6380/0", "redis://u: @h:6380/0"},
	{"redis-server --requirepass " + secretS + " --port 6380", "--requirepass --port 6380"},
	{"redis-cli config set masterauth '" + secretS + "'", "config set masterauth"},
	{"echo 'requirepass " + secretS + "' >> /etc/redis.conf", "requirepass /etc/redis.conf"},
	{"sshpass -p" + secretS + " ssh root@h", "ssh root@h"},
	{"curl -s -u me:" + secretS + " https://h/x", "curl -u me: https://h/x"},
	{"curl --user me:" + secretS + " https://h/x", "curl https://h/x"},
	{"curl -ume:" + secretS + " https://h/x", "https://h/x"},
	{"curl -H 'Authorization: " + secretS + "' https://h/x", "curl https://h/x"},
	{"curl -H 'X-Api-Key: " + secretS + "' https://h/x", "https://h/x"},
	{"curl -b 'Cookie: sid=" + secretS + "' https://h/x", "https://h/x"},
	{"curl 'https://h/x?a=1&token=" + secretS + "&b=2'", "https://h/x?a=1&token= &b=2"},
	{"curl https://h/x?key=" + secretS, "https://h/x?key="},
	{"wget --http-password=" + secretS + " http://h/x", "http://h/x"},
	{"git clone https://oauth2:" + secretS + "@gitlab.example/x.git", "https://oauth2: @gitlab.example/x.git"},
	{"xmrig -o stratum+tcp://48wallet:" + secretS + "@pool:3333", "stratum+tcp://48wallet: @pool:3333"},
	{"echo root:" + secretS + " | chpasswd", "chpasswd"},
	{"echo " + secretS + " | sudo -S ls", "sudo -S ls"},
	{"openssl enc -d -k " + secretS + " -in x", "openssl -in x"},
	{"openssl rsa -passin pass:" + secretS, "openssl rsa"},
	{"java -jar x --spring.datasource.password=" + secretS, "java -jar"},
	{"docker login -u me -p " + secretS + " h", "docker login -u me h"},
	{"export GH=ghp_" + secretS, "export ghp_"},
	{"x eyJhbGciOiJI." + secretS + "." + secretS, "x"},
	{"bash -c 'mysql -p" + secretS + " db'", "bash -c mysql db"},
	{`bash -c "redis-cli -a ` + secretS + ` ping"`, "redis-cli ping"},
	{"a; mysql -p" + secretS + " | gzip", "gzip"},
	{"useradd -m -p " + secretS + " hacker", "useradd -m hacker"},
	{"set aws_secret_access_key = " + secretS, "set"},
	{`{"password": "` + secretS + `"}`, "{"},
}

// stay are lines in which there is nothing to hide.
var stay = []string{
	"xmrig -o stratum+tcp://pool.example:3333 -u 48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq9VetWzYGzKt52XU5xvqgzYnDK9URnRoJMk1j8nLwEVsaSWJ4fhdUyZijBGUicoD -p x -k",
	"minerd -a cryptonight -o stratum+tcp://p:80 -u 4wallet -p x", "curl -fsSL https://h/api/report?pm=KEY | sh",
	"ssh -p 22 root@10.0.0.1", "nmap -p 6379 10.0.0.0/8", "mkdir -p /tmp/x", "mysql -p -uroot db", "passwd root",
	"cat /etc/passwd /etc/shadow", "chmod 600 /root/.ssh/authorized_keys", "git commit -m 'rotate token now'",
	"ls --password-file", "ssh-keygen -t rsa -N ''", "echo $PASSWORD", "cp -a /x /y",
	"redis-cli config get requirepass", "docker run -p 6380:6379 redis", "apt-key adv --keyserver hkp://h:80",
}

func TestHide(t *testing.T) {
	for _, c := range hide {
		got := Text(c.in)
		if strings.Contains(got, secretS) {
			t.Errorf("%s\n gives away %s", c.in, got)
		}
		for part := range strings.FieldsSeq(c.kept) {
			if !strings.Contains(got, part) {
				t.Errorf("%s\n lost %s: %s", c.in, part, got)
			}
		}
		if again := Text(got); again != got {
			t.Errorf("%s\n once  %s\n twice %s", c.in, got, again)
		}
		argv := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(c.in))
		before := slices.Clone(argv)
		if strings.ContainsAny(c.in, "|;{") || strings.Contains(c.in, ": ") || strings.Contains(c.in, " = ") || strings.Contains(c.in, " identified ") ||
			strings.Contains(c.in, " -c ") || strings.HasPrefix(c.in, "echo") || strings.Contains(c.in, "config set") {
			continue // not the arguments of one process
		}
		if got := strings.Join(Argv(argv), " "); strings.Contains(got, secretS) {
			t.Errorf("%q\n as arguments gives away %s", before, got)
		}
		if !slices.Equal(argv, before) {
			t.Errorf("%q was changed", before)
		}
	}
}

func TestStay(t *testing.T) {
	for _, s := range stay {
		if got := Text(s); got != s {
			t.Errorf("%s\n became %s", s, got)
		}
		if got := Argv(strings.Fields(s)); strings.Join(got, " ") != s {
			t.Errorf("%s\n as arguments became %s", s, got)
		}
	}
}

// A secret behind any of these is hidden, whatever letters it has.
func FuzzSecret(f *testing.F) {
	for _, s := range []string{"S3cr3tS3cr3t", "passwordpassword", "mysqlmysql", "a-b_c.d-e_f.g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range s {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.", c) {
				return
			}
		}
		if len(s) < 8 {
			return
		}
		s = "#" + s + "#" // in no other part of the lines
		for _, c := range []string{"mysql -p%", "redis-cli -a % x", "x --password=% y", "A_PASSWORD=% y", "http://a:%@b/", "sshpass -p % ssh h"} {
			if line := strings.Replace(c, "%", s, 1); strings.Contains(Text(line), s) {
				t.Errorf("%s stays: %s", line, Text(line))
			}
		}
	})
}
