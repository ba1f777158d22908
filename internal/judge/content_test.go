package judge

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"testing"

	"demine/rules"
)

var (
	techniqueID = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)
	actionName  = regexp.MustCompile(`^[a-z]+(\.[a-z-]+)+$`)
)

// Every rule compiles, names real techniques and actions, has a hit and a miss
// case, and says the same in both languages.
func TestContent(t *testing.T) {
	rs, err := LoadRules(rules.FS)
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) == 0 {
		t.Fatal("no rules are embedded")
	}
	for _, r := range rs {
		t.Run(r.ID, func(t *testing.T) { checkRule(t, r) })
	}
	en, err := Texts(rules.FS, rs, "en")
	if err != nil {
		t.Fatal(err)
	}
	zh, err := Texts(rules.FS, rs, "zh")
	if err != nil {
		t.Fatal(err)
	}
	sameMessages(t, en, zh)
}

func checkRule(t *testing.T, r *Rule) {
	for _, id := range r.Attack {
		if !techniqueID.MatchString(id) {
			t.Errorf("attack: %q is no technique id", id)
		}
	}
	for _, a := range r.Remedy {
		if !actionName.MatchString(a) {
			t.Errorf("remedy: %q is not object.verb", a)
		}
	}
	dir := "../../rules/" + r.ID
	for _, kind := range []string{"hit*.txtar", "miss*.txtar"} {
		if m, _ := fs.Glob(osDir(dir), kind); len(m) == 0 {
			t.Errorf("no %s beside the rule", kind)
		}
	}
}

func sameMessages(t *testing.T, en, zh map[string]string) {
	for id, text := range en {
		other, ok := zh[id]
		if !ok || other == "" {
			t.Errorf("%s is not in Chinese", id)
		}
		if a, b := Placeholders(text), Placeholders(other); !slices.Equal(a, b) {
			t.Errorf("%s: placeholders %v in English, %v in Chinese", id, a, b)
		}
	}
	for id := range zh {
		if _, ok := en[id]; !ok {
			t.Errorf("%s is only in Chinese", id)
		}
	}
}

func osDir(dir string) fs.FS { return os.DirFS(dir) }
