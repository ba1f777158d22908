package respond

import (
	"context"
	"errors"
	"testing"

	"demine/internal/fact"
)

// implantUnit is a unit that runs, of a systemd that reads nothing anew.
type implantUnit struct {
	noUnits
	runs *bool
}

func (u implantUnit) Show(context.Context, string, string) (string, error) { return "active", nil }
func (u implantUnit) Stop(context.Context, string) error                   { *u.runs = false; return nil }
func (u implantUnit) Start(context.Context, string) error                  { *u.runs = true; return nil }
func (u implantUnit) Pending(context.Context) ([]string, error)            { return nil, errors.New("timeout") }

// stuckFiles cannot be removed.
type stuckFiles struct{ Files }

func (stuckFiles) Remove(fact.Path, FileState) error { return errors.New("stuck") }

// Whatever goes wrong on the way, no roll-back starts the implant again. Asked
// for, a unit that was taken away runs again.
func TestDisableUnit(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		p := plant(t, folderFor(t)+"/x.service", "[Service]\nExecStart=/var/tmp/x\n")
		runs := true
		x := try(t, autostartDisable, unitFile{Unit: "x.service", Path: p})
		x.w.Units = implantUnit{runs: &runs}
		if stuck {
			x.w.Files = stuckFiles{x.w.Files}
		}
		if err := x.apply(); (err != nil) != stuck || runs {
			t.Errorf("stuck %v: error %v, it runs: %v", stuck, err, runs)
		}
		x.w.Files = LiveFiles()
		if err := x.back(); runs == stuck || err == nil {
			t.Errorf("stuck %v, put back: error %v, it runs: %v", stuck, err, runs)
		}
		if contentOf(t, p) == "" {
			t.Error("the file is not back")
		}
	}
}
