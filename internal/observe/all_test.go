package observe

import "testing"

// A name in Needs that nothing has would be taken as met.
func TestNeedsAreObservers(t *testing.T) {
	known := map[string]bool{}
	for _, o := range All {
		if known[o.Name] || o.Doc == "" || len(o.Sees) == 0 {
			t.Errorf("%q: a name of its own, a Doc and what it sees", o.Name)
		}
		known[o.Name] = true
	}
	for _, o := range All {
		for _, n := range o.Needs {
			if !known[n] {
				t.Errorf("%s needs %q, which nothing is", o.Name, n)
			}
		}
	}
}
