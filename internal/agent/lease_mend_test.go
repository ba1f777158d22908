package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"demine/internal/lease"
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
			tellOpened(t, l, le)
			if !tt.inForce {
				if err := f.Retire(t.Context()); err != nil {
					t.Fatal(err)
				}
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

// tellOpened writes into the trail that a lease was opened.
func tellOpened(t *testing.T, l *Leases, le lease.Lease) {
	t.Helper()
	d, err := l.desk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if err := d.tell(lease.Event{Kind: lease.DidOpen, Lease: &le}); err != nil {
		t.Fatal(err)
	}
}
