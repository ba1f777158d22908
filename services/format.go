package services

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/exports"
	"demine/internal/format/ini"
	"demine/internal/format/pghba"
	"demine/internal/format/properties"
	"demine/internal/format/pyconf"
	"demine/internal/format/sitexml"
	"demine/internal/format/yamlconf"
)

// Formats of files of settings. What one cannot understand is an error, with
// the settings before it.
var Formats = map[string]func([]byte) ([]fact.Setting, error){
	"ini":        func(b []byte) ([]fact.Setting, error) { return ini.Parse(b), nil },
	"properties": func(b []byte) ([]fact.Setting, error) { return properties.Parse(b), nil },
	"yaml":       yamlconf.Parse,
	"site":       sitexml.Parse,
	"python": func(b []byte) ([]fact.Setting, error) {
		out, odd := pyconf.Parse(b)
		if odd {
			return out, errProgram
		}
		return out, nil
	},
	"pghba":   hbaSettings,
	"rsyncd":  rsyncSettings,
	"fpm":     fpmSettings,
	"exports": func(b []byte) ([]fact.Setting, error) { return exportsSettings(b), nil },
}

// Includes: the setting names files that stand in its place.
func Includes(format, name string) bool {
	switch format {
	case "ini", "rsyncd", "fpm":
		return slices.Contains([]string{"!include", "!includedir", "include", "include_dir", "include_if_exists", "include.files", "global.include", "&include", "&merge"}, name)
	}
	return false
}

// errProgram: a file of settings does more than assign literals.
var errProgram = errors.New("a program that sets more than can be read from it")

// hbaSettings says what pg_hba.conf asks of everyone ("pg_hba.conf": none,
// password, key, acl), and by which lines it lets some other hosts in without.
func hbaSettings(b []byte) ([]fact.Setting, error) {
	rules := pghba.Parse(b)
	asks, by, trusting := pghba.Remote(rules)
	out := []fact.Setting{{Name: "pg_hba.conf", Value: asks, From: "file", Origin: fact.Origin{Line: by.Line}}}
	for _, r := range trusting {
		out = append(out, fact.Setting{Name: fmt.Sprintf("pg_hba.conf trusts.%d", r.Line), Value: r.Text(), From: "file", Origin: fact.Origin{Line: r.Line}})
	}
	for _, r := range rules {
		if strings.HasPrefix(r.Type, "include") {
			return out, errors.New("it includes other files, which are not read")
		}
	}
	return out, nil
}

// rsyncSettings says which modules of rsyncd.conf anybody may use: "no auth
// users.NAME" those without "auth users" for everyone, "for some hosts.NAME" those
// for what "hosts allow" names, "writable.NAME" those for everyone that can be written (rsyncd.conf(5): "read only" is yes by default). A
// setting before the first module is the default of all.
func rsyncSettings(b []byte) ([]fact.Setting, error) {
	out := ini.Parse(b)
	global := map[string]string{}
	modules := map[string]map[string]string{}
	lines := map[string]int{}
	var order []string
	for _, x := range out {
		module, name, ok := strings.Cut(x.Name, ".")
		if !ok || module == "global" {
			global[plainName(x.Name[strings.IndexByte(x.Name, '.')+1:])] = x.Value
			continue
		}
		if modules[module] == nil {
			modules[module] = map[string]string{}
			lines[module] = x.Origin.Line
			order = append(order, module)
		}
		modules[module][plainName(name)] = x.Value
	}
	var found []fact.Setting
	for _, m := range order {
		get := func(name string) string {
			if v, ok := modules[m][name]; ok {
				return v
			}
			return global[name]
		}
		at := fact.Origin{Line: lines[m]}
		switch {
		case get("authusers") != "":
			continue
		case !everyHost(get("hostsallow")):
			found = append(found, fact.Setting{Name: "for some hosts." + m, Value: get("hostsallow"), From: "file", Origin: at})
			continue
		}
		found = append(found, fact.Setting{Name: "no auth users." + m, Value: m, From: "file", Origin: at})
		if w := strings.ToLower(get("readonly")); w == "no" || w == "false" || w == "0" {
			found = append(found, fact.Setting{Name: "writable." + m, Value: m, From: "file", Origin: at})
		}
	}
	return append(out, found...), nil
}

// everyHost: a list of rsync's "hosts allow" that keeps nobody out.
func everyHost(list string) bool {
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	return len(words) == 0 || slices.ContainsFunc(words, func(w string) bool {
		return w == "*" || strings.HasSuffix(w, "/0") || strings.HasSuffix(w, "/0.0.0.0")
	})
}

// fpmSettings says which pools of PHP-FPM take everyone's requests on a port:
// "open pool.NAME" is where each listens.
func fpmSettings(b []byte) ([]fact.Setting, error) {
	out := ini.Parse(b)
	limited := map[string]bool{}
	for _, x := range out {
		if pool, ok := strings.CutSuffix(x.Name, ".listen.allowed_clients"); ok {
			limited[pool] = x.Value != "" && x.Value != "any"
		}
	}
	for _, x := range slices.Clone(out) {
		if pool, ok := strings.CutSuffix(x.Name, ".listen"); ok && !limited[pool] && !strings.HasPrefix(x.Value, "/") {
			out = append(out, fact.Setting{Name: "open pool." + pool, Value: x.Value, From: "file", Origin: x.Origin})
		}
	}
	return out, nil
}

// plainName: rsync takes blanks out of names.
func plainName(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }

// exportsSettings says which folders NFS gives to everyone without Kerberos:
// "for everyone.LINE", and of them those that can be written, and those on which
// the root of any other host is root.
func exportsSettings(b []byte) []fact.Setting {
	var out []fact.Setting
	for _, g := range exports.Parse(b) {
		if g.Client != "" || g.Kerberos {
			continue
		}
		names := []string{"for everyone"}
		if g.Writable {
			names = append(names, "writable for everyone")
		}
		if g.Writable && g.Root {
			names = append(names, "root for everyone")
		}
		for _, name := range names {
			out = append(out, fact.Setting{
				Name: fmt.Sprintf("%s.%d", name, g.Line), Value: g.Path.String(), From: "file", Origin: fact.Origin{Line: g.Line},
			})
		}
	}
	return out
}
