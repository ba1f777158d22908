package agent

import (
	"testing"

	"demine/internal/i18n"
	"demine/internal/observe"
)

// Each observer has a name in both languages, by which a person is told of what
// it did not see.
func TestObserversHaveNames(t *testing.T) {
	for _, lang := range []string{i18n.English, i18n.Chinese} {
		c := i18n.Load(lang)
		for _, o := range observe.All {
			if !c.Has("observer." + o.Name) {
				t.Errorf("%s: %s has no name", lang, o.Name)
			}
		}
	}
}
