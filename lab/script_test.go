//go:build lab

package lab

import (
	"fmt"
	"testing"
)

// TestScript: a miner in Python is frozen, ended and taken away; Python, and what else it runs, is not.
func TestScript(t *testing.T) {
	t.Parallel()
	h := withProduct(t, Config{Name: "tr-script", Scenario: "matrix", NoLoad: true})
	s, err := h.Enact(t.Context(), "python")
	if err != nil {
		t.Fatal(err)
	}
	inside(t, h, "systemd-run --quiet --unit honest /usr/bin/python3 -c 'import time; time.sleep(100000)'")
	honest := inside(t, h, "systemctl show -P MainPID honest")
	python := inside(t, h, "readlink -f /usr/bin/python3; sha256sum /usr/bin/python3")
	miner := fmt.Sprint(s.PIDs[0])

	demineIn(t, h, -1, "contain")
	if got := states(t, h, "-p "+miner); got != "T" {
		t.Errorf("contained, and the script is %q", got)
	}
	if got := states(t, h, "-p "+honest); got == "T" || got == "" {
		t.Errorf("contained, and the owner's Python is %q", got)
	}
	demineIn(t, h, -1, "clean", "--yes", "--no-wait")
	inside(t, h, "test ! -e /tmp/.x/m.py && test ! -d /proc/"+miner+" && test -d /proc/"+honest)
	if now := inside(t, h, "readlink -f /usr/bin/python3; sha256sum /usr/bin/python3"); now != python {
		t.Errorf("Python was %s, is %s", python, now)
	}
}
