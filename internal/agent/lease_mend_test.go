package agent

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"demine/internal/lease"
	"demine/internal/respond"
	"demine/internal/store"
)

// A list that cannot be read closes what it alone explained, and disables nothing.
// What another place has is believed as far as it is in force: a lease that was
// closed since is not put back.
func TestListDamaged(t *testing.T) {
	for _, tt := range []struct {
		name    string
		beside  bool // a list in memory
		inForce bool
		leases  int
		gone    int
	}{
		{"no other list", false, true, 0, 1},
		{"another list, and it is in force", true, true, 1, 0},
		{"another list, and it was closed since", true, false, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, f, _ := office(t)
			le := give(t, l, f)
			list := filepath.Join(l.settings.State, "leases", "list")
			if tt.beside {
				copyFile(t, list, filepath.Join(l.run, "leases", "list"))
			}
			tellTrail(t, l, lease.DidOpen, le)
			if !tt.inForce {
				if err := f.Retire(t.Context()); err != nil {
					t.Fatal(err)
				}
				tellTrail(t, l, lease.DidClose, le)
			}
			if err := os.WriteFile(list, []byte("damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				out, err := l.List(t.Context())
				if err != nil || len(out.Leases) != tt.leases || len(f.held) != tt.leases || len(out.Swept.Gone) != tt.gone {
					t.Fatalf("%+v, in force %+v, %v", out, f.held, err)
				}
				if len(out.Swept.Damaged) != 1 || len(out.Swept.Trouble)+len(out.Swept.Over) > 0 {
					t.Errorf("%+v", out.Swept)
				}
				tt.gone = 0
			}
			spoilt := 0
			c, err := l.Trail(t.Context(), func(e lease.Event) {
				if e.Kind == lease.DidSpoil {
					spoilt++
				}
			})
			if err != nil || !c.Good() || spoilt != 1 {
				t.Errorf("%d times in the trail; %+v, %v", spoilt, c, err)
			}
			if tt.leases > 0 {
				if _, _, err := l.Extend(t.Context(), le.ID, time.Hour, false); err != nil {
					t.Error(err)
				}
			}
			if b, err := os.ReadFile(list + ".damaged-1"); err != nil || !bytes.Equal(b, []byte("damaged")) {
				t.Errorf("set aside: %q, %v", b, err)
			}
		})
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tellTrail writes into the trail what became of leases.
func tellTrail(t *testing.T, l *Leases, kind string, ls ...lease.Lease) {
	t.Helper()
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for i := range ls {
		if err := d.tell(lease.Event{Kind: kind, Lease: &ls[i]}); err != nil {
			t.Fatal(err)
		}
	}
}

// spoil puts a list into memory that cannot be read.
func spoil(t *testing.T, l *Leases) (list string) {
	t.Helper()
	list = filepath.Join(l.run, "leases", "list")
	if err := errors.Join(os.MkdirAll(filepath.Dir(list), 0o700), os.WriteFile(list, []byte("damaged"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return list
}

// Beside a damaged list the intact one keeps what the filter of this network namespace
// says nothing about; what the trail knows to be over it does not keep.
func TestListDamagedBeside(t *testing.T) {
	l, f, now := office(t)
	le := give(t, l, f)
	as := func(id, netns string, change func(*lease.Lease)) lease.Lease {
		le := lease.Begin(id, lease.Ask{Proto: "tcp", Port: 6381, From: []netip.Prefix{stranger}, For: time.Hour}, *now)
		le.NetNS = netns
		change(&le)
		return le
	}
	asked := func(le *lease.Lease) { le.State, le.Until = lease.Requested, time.Time{} }
	held := func(le *lease.Lease) { le.Lost, le.HeldBy = true, "inet fw input: drop" }
	open := func(*lease.Lease) {}
	over := []lease.Lease{as("L-22222", "cookie-1", held), as("L-33333", "cookie-7", open), as("L-44444", "cookie-1", asked)}
	kept := []lease.Lease{as("L-55555", "cookie-1", held), as("L-66666", "cookie-7", open), as("L-77777", "cookie-1", asked), le}
	gone := as("L-88888", "cookie-1", open)
	all := slices.Concat(over, kept, []lease.Lease{gone})
	tellTrail(t, l, lease.DidOpen, all...)
	tellTrail(t, l, lease.DidEnd, over[:2]...)
	tellTrail(t, l, lease.DidRefuse, over[2])
	saveAll(t, l, all)
	spoil(t, l)
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	names := func(ls []lease.Lease) (out []string) {
		for _, le := range ls {
			out = append(out, le.ID)
		}
		slices.Sort(out)
		return out
	}
	swept, err := d.reconcile(t.Context())
	if diff := cmp.Diff(names(kept), names(d.all())); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if o := swept.Over; len(o) != 1 || o[0].Lease.ID != gone.ID || o[0].Why != lease.EndList {
		t.Errorf("%+v", o)
	}
	d.release()
	if last := lastEvent(t, l); last != lease.DidClose {
		t.Errorf("the trail ends with %s", last)
	}
}

// What the trail tells to be over stays closed also where that stands behind a break.
func TestListDamagedTrailBroken(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	tellTrail(t, l, lease.DidOpen, le, le)
	tellTrail(t, l, lease.DidClose, le)
	trail := filepath.Join(l.settings.State, "leases", "trail")
	b, err := os.ReadFile(trail)
	if err == nil {
		err = os.WriteFile(trail, bytes.Replace(b, []byte(`"opened"`), []byte(`"warned"`), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	spoil(t, l)
	if out, err := l.List(t.Context()); err != nil || len(out.Leases) > 0 || len(f.held) > 0 {
		t.Errorf("%+v, in force %+v, %v", out, f.held, err)
	}
}

// While the filter cannot be read nobody knows what is in force: both lists stay, and
// all that is on the intact one.
func TestListDamagedUnread(t *testing.T) {
	l, f, _ := office(t)
	le := give(t, l, f)
	list := spoil(t, l)
	f.unread = errors.New("busy")
	if _, err := l.List(t.Context()); !errors.Is(err, f.unread) || !errors.Is(err, store.ErrCorrupt) {
		t.Error(err)
	}
	if _, err := os.Stat(list); err != nil {
		t.Error(err)
	}
	f.unread = nil
	if out, err := l.List(t.Context()); err != nil || len(out.Leases) != 1 || out.Leases[0].ID != le.ID || len(f.held) != 1 {
		t.Errorf("%+v, in force %+v, %v", out, f.held, err)
	}
}

// A filter that cannot hold leases holds none.
func TestListDamagedNoFilter(t *testing.T) {
	l, f, _ := office(t)
	give(t, l, f)
	spoil(t, l)
	f.unread = respond.ErrUnavailable
	if out, err := l.List(t.Context()); err != nil || len(out.Leases) > 0 || len(out.Swept.Over) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

// On a disk that has become read-only the damaged list stays. It is mended once: what
// a reload threw out later is not taken for what somebody closed.
func TestListDamagedReadOnly(t *testing.T) {
	l, f, now := office(t)
	le := give(t, l, f)
	asked := lease.Lease{ID: "L-22222", State: lease.Requested, NetNS: "cookie-1", Opened: now.Wall}
	saveAll(t, l, []lease.Lease{le, asked})
	list := filepath.Join(l.settings.State, "leases", "list")
	copyFile(t, list, filepath.Join(l.run, "leases", "list"))
	if err := os.WriteFile(list, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	readOnly(t, l.settings.State)
	for range 2 {
		out, err := l.List(t.Context())
		if err != nil || len(out.Leases) != 2 || len(out.Swept.Over) > 0 {
			t.Errorf("%+v, %v", out, err)
		}
		if diff := cmp.Diff([]string{list}, out.Swept.Damaged); diff != "" {
			t.Error(diff)
		}
		if err := f.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var spoilt []string
	if _, err := l.Trail(t.Context(), func(e lease.Event) {
		if e.Kind == lease.DidSpoil {
			spoilt = append(spoilt, e.Why)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{list}, spoilt); diff != "" {
		t.Error(diff)
	}
}

// readOnly makes a folder read-only for this test, in a mount namespace that ends with
// its thread.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	runtime.LockOSThread()
	if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS), unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount(dir, dir, "", unix.MS_BIND, ""), unix.Mount("none", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// saveAll writes a list with leases of any network namespace.
func saveAll(t *testing.T, l *Leases, ls []lease.Lease) {
	t.Helper()
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.st.SaveLeases(ls); err != nil {
		t.Fatal(err)
	}
}
