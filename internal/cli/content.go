package cli

import (
	"errors"
	"strings"

	"demine/causes"
	"demine/internal/explain"
	"demine/internal/i18n"
	"demine/internal/judge"
	"demine/rules"
)

// addContent adds the texts that stand beside the rules and causes: English
// first, so that one that is missing in the other language is still told.
func addContent(c *i18n.Catalogue) error {
	rs, err := judge.LoadRules(rules.FS)
	cs, err2 := explain.LoadCauses(causes.FS)
	err = errors.Join(err, err2)
	for _, lang := range languages(c) {
		texts, e1 := judge.Texts(rules.FS, rs, lang)
		add(c, texts)
		texts, e2 := explain.Texts(causes.FS, cs, lang)
		add(c, texts)
		err = errors.Join(err, e1, e2)
	}
	return err
}

// languages are the names of the files beside the rules, in order of worth.
func languages(c *i18n.Catalogue) []string {
	if lang, _, _ := strings.Cut(c.Lang(), "-"); lang != "en" {
		return []string{"en", lang}
	}
	return []string{"en"}
}

func add(c *i18n.Catalogue, texts map[string]string) {
	for id, text := range texts {
		c.Add(id, text)
	}
}
