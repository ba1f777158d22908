package respond

import "testing"

// Spec and Define let tests outside of the package make actions.
type Spec[W, E, U any] = spec[W, E, U]

// Define adds an action for the time of a test.
func Define[W, E, U any](t *testing.T, sp Spec[W, E, U]) {
	t.Helper()
	if byName[sp.Name] != nil {
		t.Fatalf("there is an action %s", sp.Name)
	}
	byName[sp.Name] = define(sp)
	t.Cleanup(func() { delete(byName, sp.Name) })
}
