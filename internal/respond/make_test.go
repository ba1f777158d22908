package respond

import "testing"

// A step that a default undo leaves takes its group with it, and nothing else.
func TestGroupKeepsTogether(t *testing.T) {
	out := ordered([]Step{
		{Do: "a", Target: "1", Phase: Harden, Group: "redis"},
		{Do: "b", Target: "2", Phase: Harden, Group: "redis", Keeps: KeepsDoor},
		{Do: "c", Target: "3", Phase: Harden, Group: "redis"},
		{Do: "d", Target: "4", Phase: Harden, Group: "sshd"},
		{Do: "e", Target: "5", Phase: Harden},
	})
	for i, want := range []string{KeepsDoor, KeepsDoor, KeepsDoor, "", ""} {
		if out[i].Keeps != want {
			t.Errorf("step %d (%s): keeps %q, want %q", out[i].ID, out[i].Do, out[i].Keeps, want)
		}
	}
}
