package respond

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// oneUnit is a unit in a state; it says what was asked for.
type oneUnit struct {
	noUnits
	state string
	asked *[]string
}

func (u oneUnit) Show(context.Context, string, string) (string, error) { return u.state, nil }
func (u oneUnit) Start(context.Context, string) error {
	*u.asked = append(*u.asked, "start")
	return errors.New("asked")
}
func (u oneUnit) Reload(context.Context, string) error {
	*u.asked = append(*u.asked, "reload")
	return errors.New("asked")
}

// goneProcesses are those of this boot, which have ended; at another boot
// nothing is signalled.
type goneProcesses struct {
	t    *testing.T
	boot string
}

func (g goneProcesses) Signal(p Proc, _ unix.Signal) error {
	if g.boot == "another" {
		g.t.Errorf("process %d of another boot is signalled", p.PID)
	}
	return ErrGone
}

// An sshd that has ended is started; one in its place is reloaded; at the next
// boot, where sshd waits until demine has reverted, nothing waits for it.
func TestReloadOfAnother(t *testing.T) {
	w := fileWriter()
	now := bootOf(w.Host)
	if now == "" {
		t.Fatal("this boot has no id")
	}
	for _, c := range []struct {
		state, boot string
		want        []string
	}{
		{"active", now, []string{"reload"}},
		{"active", "another", []string{"reload"}},
		{"failed", now, []string{"start"}},
		{"inactive", now, []string{"start"}},
		{"inactive", "another", nil},
		{"failed", "another", nil},
	} {
		var asked []string
		w.Proc = goneProcesses{t, c.boot}
		w.Units = oneUnit{state: c.state, asked: &asked}
		err := reloadSSHD(t.Context(), w, sshdSetting{Daemon: sshDaemon{PID: 2, Start: 1, Unit: "ssh.service", Boot: c.boot}})
		if diff := cmp.Diff(c.want, asked); diff != "" || (err == nil) != slices.Equal(asked, nil) {
			t.Errorf("%s, boot %s: %v %s", c.state, c.boot, err, diff)
		}
	}
}
