//go:build lab

package lab

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// notSeenYet are the twins of which demine reads nothing yet, and what it would have to read. One that is found must be
// taken off this list.
var notSeenYet = map[string]string{
	"pause":                 "manifests of static pods",
	"gluesource":            "scripts that a running interpreter was given",
	"installers-in-history": "what a history says was run, without anything left of it",
	"cloud-init-sudo":       "sudoers",
	"id-map-helpers":        "set-id files",
}

// TestTwinsFound: each look-alike's malicious twin is found, by its process, its file or its line.
func TestTwinsFound(t *testing.T) {
	bin := product(t)
	h := boot(t, Config{Name: "look-twins", Scenario: "twins", Cron: Debian, Firewall: IptablesNft, NoLoad: true})
	if err := h.CopyIn(t.Context(), bin, "/root/demine"); err != nil {
		t.Fatal(err)
	}
	s := examine(t, h)
	crontab := strings.Split(inside(t, h, "cat /var/spool/cron/crontabs/root"), "\n")
	accused := accusations(s, crontab)
	for _, p := range h.Facts.Planted {
		_, excusedHere := notSeenYet[p.Name]
		if found := anyNames(accused, p); found == excusedHere {
			t.Errorf("%s (%d): found %v; not seen yet: %q", p.Name, p.Number, found, notSeenYet[p.Name])
		}
	}
}

// accusations are the attack findings as text, each with the line of root's crontab that it is about.
func accusations(s scan, crontab []string) (out []string) {
	for _, f := range s.Findings {
		if f.Class != "attack" {
			continue
		}
		raw, _ := json.Marshal(f)
		text := strings.ReplaceAll(string(raw), `\u0026`, "&") + " "
		if strings.HasSuffix(f.Origin.Path, "/crontabs/root") && f.Origin.Line > 0 && f.Origin.Line <= len(crontab) {
			text += crontab[f.Origin.Line-1]
		}
		out = append(out, text)
	}
	return out
}

func anyNames(accused []string, p Planted) bool {
	var names []string
	for _, pid := range p.PIDs {
		names = append(names, fmt.Sprintf("/%d@", pid))
	}
	for _, f := range p.Files {
		if f != "/root/.bash_history" { // another twin's job empties it
			names = append(names, f)
		}
	}
	names = append(names, p.Cron...)
	return slices.ContainsFunc(accused, func(text string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(text, n) })
	})
}
