package judge

import (
	"fmt"
	"io/fs"
	"path"

	"go.yaml.in/yaml/v3"
)

// texts are the translations of a rule (zh.yaml) and, with the same keys, a
// part of the rule itself.
type texts struct {
	Title  string            `yaml:"title"`
	Why    string            `yaml:"why"`
	Blind  string            `yaml:"blind"`
	Unless map[string]string `yaml:"unless"`
}

// Texts gives the sentences of the rules in fsys by message id: in English
// from the rules themselves, else from the file LANG.yaml beside each.
func Texts(fsys fs.FS, rules []*Rule, lang string) (map[string]string, error) {
	out := map[string]string{}
	for _, r := range rules {
		t := texts{Title: r.Title, Why: r.Why, Blind: r.Blind, Unless: map[string]string{}}
		for _, e := range r.Unless {
			t.Unless[e.ID] = e.Why
		}
		if lang != "en" {
			b, err := fs.ReadFile(fsys, path.Join(r.ID, lang+".yaml"))
			if err != nil {
				return nil, err
			}
			t = texts{}
			if err := yaml.Unmarshal(b, &t); err != nil {
				return nil, fmt.Errorf("%s/%s.yaml: %w", r.ID, lang, err)
			}
		}
		id := "rule." + r.ID
		out[id], out[id+".why"], out[id+".blind"] = t.Title, t.Why, t.Blind
		for k, v := range t.Unless {
			out[id+".unless."+k] = v
		}
	}
	return out, nil
}
