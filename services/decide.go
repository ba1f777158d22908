package services

import (
	"cmp"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// Decide says what the settings mean for whoever connects, and how that is
// known: "argv" (with the environment) or "config". Blind says that a file of
// settings could not be read: then only what was given at the start counts.
// At is the setting that names the ports that this is true of, if there is one.
func (k *Service) Decide(settings []fact.Setting, version string, blind bool) (auth, by, at string) {
	for _, rule := range k.Auth {
		holds, given := k.holds(rule, settings, version)
		switch {
		case !holds:
			continue
		case rule.Before != "" && version == "", blind && !given, rule.Auth == "unknown":
			return "unknown", "", ""
		case given:
			return rule.Auth, "argv", cmp.Or(rule.At, k.At)
		}
		return rule.Auth, "config", cmp.Or(rule.At, k.At)
	}
	return "unknown", "", ""
}

// holds reports whether the conditions of a rule hold, and whether all of it
// was given when the server was started.
func (k *Service) holds(rule Rule, settings []fact.Setting, version string) (ok, given bool) {
	if rule.Before != "" && version != "" && !older(version, rule.Before) {
		return false, false
	}
	given = len(rule.When) > 0 || len(k.Config) == 0
	for name, want := range rule.When {
		value, from := k.value(settings, name)
		if !want.MatchString(value) {
			return false, false
		}
		given = given && (from == "argv" || from == "env" || len(k.Config) == 0)
	}
	return true, given
}

// value is what a setting is in force, and what set it.
func (k *Service) value(settings []fact.Setting, name string) (value, from string) {
	x := fact.Service{Settings: settings}.Setting(name)
	if x.Name == "" {
		return k.Settings[name].Default, ""
	}
	return x.Value, x.From
}

// OverTLS reports whether the question is to be put over TLS, as far as the
// settings tell.
func (k *Service) OverTLS(settings []fact.Setting) bool {
	for name, want := range k.Ask.TLS {
		if value, _ := k.value(settings, name); !want.MatchString(value) {
			return false
		}
	}
	return k.Ask.TLS != nil
}

// older compares versions part by part; what is no number counts as 0.
func older(version, than string) bool {
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range b {
		var x, y int
		if i < len(a) {
			x, _ = strconv.Atoi(a[i])
		}
		y, _ = strconv.Atoi(b[i])
		if x != y {
			return x < y
		}
	}
	return false
}
