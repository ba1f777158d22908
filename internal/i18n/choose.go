package i18n

import "strings"

// Choose gives the language to speak: what the flag says, else DEMINE_LANG,
// else the locale (LC_ALL, LC_MESSAGES, LANG: the first that is set). Anything
// Chinese gives "zh-CN", anything else "en". A locale whose terminal cannot
// show UTF-8 gives "en"; a language asked for by name is given all the same.
func Choose(flag string, env func(string) string) string {
	for _, asked := range []string{flag, env("DEMINE_LANG")} {
		if asked != "" {
			return language(asked)
		}
	}
	if Plain(env) {
		return English
	}
	return language(first(env, "LC_ALL", "LC_MESSAGES", "LANG"))
}

// Known reports whether a value of --lang names a language that demine speaks.
func Known(lang string) bool {
	l := strings.ToLower(lang)
	return strings.HasPrefix(l, "zh") || strings.HasPrefix(l, "en")
}

// Plain reports whether the locale's character set is not UTF-8 (C, POSIX, GBK
// or nothing set), so that only ASCII is sure to arrive.
func Plain(env func(string) string) bool {
	l := strings.ToLower(first(env, "LC_ALL", "LC_CTYPE", "LANG"))
	return !strings.Contains(l, "utf-8") && !strings.Contains(l, "utf8")
}

func language(locale string) string {
	if strings.HasPrefix(strings.ToLower(locale), "zh") {
		return Chinese
	}
	return English
}

func first(env func(string) string, names ...string) string {
	for _, n := range names {
		if v := env(n); v != "" {
			return v
		}
	}
	return ""
}
