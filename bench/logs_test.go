package bench

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"demine/internal/format/authlog"
	"demine/internal/format/logscan"
	"demine/internal/format/weblog"
	"demine/patterns/logs"
)

// logSize is that of the logs that are read: from the page cache, which holds
// them once they are written.
const logSize = 1 << 30

// What a log holds: in the worst case every line is one that must be read.
var logKinds = []struct {
	name string
	line func(i int) string
	web  bool
}{
	{"auth-guessed", func(i int) string {
		return fmt.Sprintf("Nov 22 18:%02d:%02d shop sshd[%d]: Failed password for invalid user admin%d from 198.51.100.%d port %d ssh2\n",
			i/60%60, i%60, i%30000, i%100, i%250, 1024+i%60000)
	}, false},
	{"auth-ordinary", func(i int) string {
		switch i % 8 {
		case 0:
			return fmt.Sprintf("Nov 22 18:%02d:01 shop CRON[%d]: (root) CMD (run-parts /etc/cron.hourly)\n", i/60%60, i%30000)
		case 1:
			return fmt.Sprintf("Nov 22 18:%02d:02 shop sshd[%d]: Failed password for root from 198.51.100.7 port %d ssh2\n", i/60%60, i%30000, 1024+i%60000)
		}
		return fmt.Sprintf("Nov 22 18:%02d:03 shop CRON[%d]: pam_unix(cron:session): session closed for user root by (uid=0)\n", i/60%60, i%30000)
	}, false},
	{"access-ordinary", access, true},
	{"access-scanned", func(i int) string {
		if i%20 == 0 {
			return fmt.Sprintf("203.0.113.%d - - [22/Nov/2026:18:%02d:01 +0800] \"GET /?x=%%24%%7bjndi%%3aldap%%3a%%2f%%2fh%%2fa%%7d HTTP/1.1\" 404 1 \"-\" \"-\"\n", i%250, i/60%60)
		}
		return access(i)
	}, true},
}

func access(i int) string {
	return fmt.Sprintf("10.0.%d.%d - - [22/Nov/2026:18:%02d:%02d +0800] \"GET /shop/item/%d?ref=%%2Fhome&page=2 HTTP/1.1\" 200 %d \"https://shop.example/list\" "+
		"\"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\"\n", i%250, i/250%250, i/60%60, i%60, i, 500+i%9000)
}

// lines is some 4 MiB of whole lines.
func lines(line func(int) string) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < 4<<20; i++ {
		b.WriteString(line(i))
	}
	return b.Bytes()
}

// BenchmarkLogs reads logs as a look does, in megabytes a second of CPU time:
// what others do on the machine does not count.
func BenchmarkLogs(b *testing.B) {
	for _, k := range logKinds {
		b.Run(k.name, func(b *testing.B) {
			f := logFile(b, lines(k.line))
			read := reading(b, k.web)
			b.ResetTimer()
			before := cpuTime()
			for b.Loop() {
				if _, err := f.Seek(0, io.SeekStart); err != nil {
					b.Fatal(err)
				}
				read(f)
			}
			b.ReportMetric(float64(b.N)*logSize/1e6/(cpuTime()-before).Seconds(), "MB/cpu-s")
			b.ReportMetric(float64(heap())/(1<<20), "MiB-heap")
		})
	}
}

// BenchmarkLogs10G reads ten gigabytes that are on no disk: memory stays what
// it is.
func BenchmarkLogs10G(b *testing.B) {
	for _, k := range logKinds {
		b.Run(k.name, func(b *testing.B) {
			r := &again{b: lines(k.line)}
			read := reading(b, k.web)
			for b.Loop() {
				r.left = 10 << 30
				read(r)
			}
			b.ReportMetric(float64(heap())/(1<<20), "MiB-heap")
		})
	}
}

func logFile(b *testing.B, p []byte) *os.File {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	if _, err := io.Copy(f, &again{b: p, left: logSize}); err != nil {
		b.Fatal(err)
	}
	return f
}

// again gives the same bytes over and over.
type again struct {
	b    []byte
	at   int
	left int64
}

func (a *again) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), a.left)], a.b[a.at:])
	a.at = (a.at + n) % len(a.b)
	a.left -= int64(n)
	return n, nil
}

// reading is what an observer does with a log.
func reading(b *testing.B, web bool) func(io.Reader) {
	b.Helper()
	if !web {
		s, err := logscan.New(authlog.Anchors, false)
		if err != nil {
			b.Fatal(err)
		}
		return func(r io.Reader) {
			c := &authlog.Collector{Now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
			read(b, s, r, func(l logscan.Line) error {
				c.Add(l.Text, l.Number, 0)
				return nil
			})
			c.Events()
		}
	}
	ms, err := logs.Load()
	if err != nil {
		b.Fatal(err)
	}
	var rules []weblog.Rule
	for _, m := range ms {
		rules = append(rules, weblog.Rule{Anchors: m.Anchors, Pattern: m.Pattern})
	}
	m, err := weblog.NewMatcher(rules)
	if err != nil {
		b.Fatal(err)
	}
	return func(r io.Reader) {
		read(b, m.Scanner(), r, func(l logscan.Line) error {
			m.Match(l)
			return nil
		})
	}
}

func read(b *testing.B, s *logscan.Scanner, r io.Reader, hit func(logscan.Line) error) {
	if _, err := s.Scan(r, hit); err != nil {
		b.Fatal(err)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys
}
