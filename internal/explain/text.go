package explain

import (
	"fmt"
	"io/fs"
	"path"

	"go.yaml.in/yaml/v3"
)

// texts are the translations of a cause (zh.yaml).
type texts struct {
	Title   string            `yaml:"title"`
	Fix     string            `yaml:"fix"`
	For     map[string]string `yaml:"for"`
	Against map[string]string `yaml:"against"`
	Missing map[string]string `yaml:"missing"`
}

// Texts gives the sentences of the causes in fsys by message id: in English
// from the causes themselves, else from the file LANG.yaml beside each.
func Texts(fsys fs.FS, hs []*Hypothesis, lang string) (map[string]string, error) {
	out := map[string]string{}
	for _, h := range hs {
		t := texts{Title: h.Title, Fix: h.Fix, For: h.titles(h.For), Against: h.titles(h.Against), Missing: h.titles(h.Missing)}
		if lang != "en" {
			b, err := fs.ReadFile(fsys, path.Join(h.ID, lang+".yaml"))
			if err != nil {
				return nil, err
			}
			t = texts{}
			if err := yaml.Unmarshal(b, &t); err != nil {
				return nil, fmt.Errorf("%s/%s.yaml: %w", h.ID, lang, err)
			}
		}
		id := "cause." + h.ID
		if !h.Shared {
			out[id], out[id+".fix"] = t.Title, t.Fix
		}
		for part, m := range map[string]map[string]string{"for": t.For, "against": t.Against, "missing": t.Missing} {
			for k, v := range m {
				out[id+"."+part+"."+k] = v
			}
		}
	}
	return out, nil
}

// titles are the sentences of its own.
func (h *Hypothesis) titles(list []Speaks) map[string]string {
	out := map[string]string{}
	for _, s := range list {
		if s.from == h.ID {
			out[s.ID] = s.Title
		}
	}
	return out
}
