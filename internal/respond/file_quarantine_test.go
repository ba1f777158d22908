package respond

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
)

// fileWriter changes the real files of this machine; Units are of none.
func fileWriter() *Writer {
	return &Writer{Host: host.Live(), Files: LiveFiles(), Vault: &shelf{}, Units: noUnits{}}
}

type noUnits struct{}

func (noUnits) Restart(context.Context, string) error                { return ErrUnavailable }
func (noUnits) Reload(context.Context, string) error                 { return ErrUnavailable }
func (noUnits) Stop(context.Context, string) error                   { return ErrUnavailable }
func (noUnits) Start(context.Context, string) error                  { return ErrUnavailable }
func (noUnits) DaemonReload(context.Context) error                   { return ErrUnavailable }
func (noUnits) Pending(context.Context) ([]string, error)            { return nil, ErrUnavailable }
func (noUnits) Enable(context.Context, string) ([]string, error)     { return nil, ErrUnavailable }
func (noUnits) Disable(context.Context, string) ([]string, error)    { return nil, ErrUnavailable }
func (noUnits) Show(context.Context, string, string) (string, error) { return "", ErrUnavailable }

// tried is one step that goes the way of Apply.
type tried struct {
	t    *testing.T
	w    *Writer
	a    *Action
	s    Step
	undo json.RawMessage
}

func try(t *testing.T, a *Action, with any) *tried {
	return &tried{t: t, w: fileWriter(), a: a, s: Step{Do: a.Name, With: encode(with)}}
}

// apply looks, prepares and does.
func (x *tried) apply() error {
	if _, err := x.a.Look(x.t.Context(), x.w.Host, &x.s); err != nil {
		return err
	}
	var err error
	if x.undo, err = x.a.Prepare(x.t.Context(), x.w, &x.s); err != nil {
		return err
	}
	_, err = x.a.Do(x.t.Context(), x.w, &x.s, x.undo)
	return err
}

func (x *tried) back() error { return x.a.Undo(x.t.Context(), x.w, &x.s, x.undo) }

// refusedAs is the id of a Refusal, else the error's text.
func refusedAs(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.ID
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestQuarantine(t *testing.T) {
	dir := folderFor(t)
	p := decked(t, dir+"/minerd")
	setFlagsAt(t, string(p), "immutable")
	was := stateAt(t, p)
	x := try(t, fileQuarantine, wholeFile{Path: p, ID: was.ID})
	ok(t, x.apply())
	if !stateAt(t, p).Missing {
		t.Fatal("still there")
	}
	if err := x.apply(); !errors.Is(err, ErrNothing) {
		t.Errorf("a second time: %v", err)
	}
	ok(t, x.back())
	ok(t, x.back()) // twice is as once
	if d := cmp.Diff(was, stateAt(t, p), lasting); d != "" {
		t.Error(d)
	}
	nothingLeft(t, dir)
}

// The undo is right after each state in which a crash can leave the step.
func TestQuarantineCutOff(t *testing.T) {
	dir := folderFor(t)
	p := decked(t, dir+"/minerd")
	setFlagsAt(t, string(p), "immutable")
	was := stateAt(t, p)
	x := try(t, fileQuarantine, wholeFile{Path: p, ID: was.ID})
	var err error
	x.undo, err = x.a.Prepare(t.Context(), x.w, &x.s)
	ok(t, err)
	for name, crash := range map[string]func() error{
		"before":          func() error { return nil },
		"flags taken off": func() error { setFlagsAt(t, string(p)); return nil },
		"put aside": func() error {
			setFlagsAt(t, string(p))
			f, err := openFolder(p)
			if err != nil {
				return err
			}
			defer f.close()
			return unix.Renameat(f.fd, f.name, f.fd, f.temporaryName(".old"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			ok(t, crash())
			ok(t, x.back())
			if d := cmp.Diff(was, stateAt(t, p), lasting); d != "" {
				t.Error(d)
			}
			nothingLeft(t, dir)
		})
	}
}

func TestQuarantineOnlyTheMeantFile(t *testing.T) {
	dir := t.TempDir()
	p := plant(t, dir+"/f", "implant")
	id := stateAt(t, p).ID
	ok(t, os.Rename(string(p), string(p)+".old"))
	for name, put := range map[string]func() error{
		"refuse.file.another":     func() error { return os.WriteFile(string(p), []byte("yours"), 0o600) },
		"refuse.file.not-regular": func() error { return os.Symlink("/etc/passwd", string(p)) },
	} {
		ok(t, put())
		if got := refusedAs(try(t, fileQuarantine, wholeFile{Path: p, ID: id}).apply()); got != name {
			t.Errorf("got %s", got)
		}
		ok(t, os.Remove(string(p)))
	}
	ok(t, os.Mkdir(string(p), 0o700))
	if got := refusedAs(try(t, fileQuarantine, wholeFile{Path: p}).apply()); got != "refuse.file.not-regular" {
		t.Errorf("a folder: %s", got)
	}
}

// A file with a hole of terabytes must not fill the disk.
func TestQuarantineTooLarge(t *testing.T) {
	p := plant(t, t.TempDir()+"/f", "implant")
	ok(t, os.Truncate(string(p), SumLimit+1))
	if got := refusedAs(try(t, fileQuarantine, wholeFile{Path: p}).apply()); got != "refuse.file.too-large-to-keep" {
		t.Errorf("got %s", got)
	}
}

// Something new in its place is not overwritten by an undo.
func TestQuarantineUndoDrifted(t *testing.T) {
	dir := t.TempDir()
	p := plant(t, dir+"/f", "implant")
	x := try(t, fileQuarantine, wholeFile{Path: p})
	ok(t, x.apply())
	plant(t, string(p), "yours")
	if err := x.back(); !errors.Is(err, ErrDrifted) || contentOf(t, p) != "yours" {
		t.Errorf("%v %q", err, contentOf(t, p))
	}
}

func TestUnitWithoutSystemd(t *testing.T) {
	dir := folderFor(t)
	p := plant(t, dir+"/x.service", "[Service]\nExecStart=/tmp/x\n")
	was := stateAt(t, p)
	x := try(t, autostartDisable, unitFile{Unit: "x.service", Path: p})
	ok(t, x.apply())
	if !stateAt(t, p).Missing {
		t.Error("the unit file is still there")
	}
	ok(t, x.back())
	if d := cmp.Diff(was, stateAt(t, p), lasting); d != "" {
		t.Error(d)
	}
}

func TestFragmentOf(t *testing.T) {
	for ref, want := range map[fact.Ref]fact.Path{
		fact.AutostartRef("unit", "/etc/systemd/system/a.service", ""):             "/etc/systemd/system/a.service",
		fact.AutostartRef("unit", "/etc/systemd/system/a@.service", "a@1.service"): "/etc/systemd/system/a@.service",
		fact.AutostartRef("unit", "/etc/\xff%", ""):                                "/etc/\xff%",
	} {
		a := &fact.Autostart{Ref: ref, Kind: "unit", Origin: fact.Origin{Path: "/drop-in"}}
		if got := fragmentOf(a); got != want {
			t.Errorf("%s: %s", ref, got)
		}
	}
	if !strings.HasPrefix(string(fragmentOf(&fact.Autostart{Ref: "x", Origin: fact.Origin{Path: "/o"}})), "/o") {
		t.Error("an odd Ref")
	}
}
