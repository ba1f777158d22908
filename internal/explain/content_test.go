package explain

import (
	"slices"
	"testing"

	"demine/causes"
	"demine/internal/judge"
)

// Every cause compiles and says the same in both languages.
func TestContent(t *testing.T) {
	hs, err := LoadCauses(causes.FS)
	if err != nil {
		t.Fatal(err)
	}
	if len(hs) == 0 {
		t.Fatal("no causes are embedded")
	}
	en, err := Texts(causes.FS, hs, "en")
	if err != nil {
		t.Fatal(err)
	}
	zh, err := Texts(causes.FS, hs, "zh")
	if err != nil {
		t.Fatal(err)
	}
	for id, text := range en {
		if zh[id] == "" {
			t.Errorf("%s is not in Chinese", id)
		}
		if a, b := judge.Placeholders(text), judge.Placeholders(zh[id]); !slices.Equal(a, b) {
			t.Errorf("%s: placeholders %v in English, %v in Chinese", id, a, b)
		}
	}
	for id := range zh {
		if _, ok := en[id]; !ok {
			t.Errorf("%s is only in Chinese", id)
		}
	}
}
