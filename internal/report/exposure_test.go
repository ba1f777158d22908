package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/relate"
)

// A container's listener is told with the port of the host that leads to it,
// the rule, and the command that opened it.
func TestExposureOfContainer(t *testing.T) {
	s := &explain.Scan{Snapshot: &fact.Snapshot{}, Exposure: []relate.Exposure{{
		Listener: "tcp 0.0.0.0:6379", Port: 6379, From: "anywhere", Why: "rule", Chain: "DOCKER", RuleN: 1, Service: "redis", Auth: "none",
		Container: "cache", Image: "redis:7", SavedBy: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), Published: []string{"0.0.0.0:16379"}, By: "-A DOCKER --dport 16379 -j DNAT",
		Opened: []relate.Opening{{Time: time.Date(2026, 11, 1, 9, 30, 0, 0, time.UTC), User: "root", Text: "docker run -p 16379:6379 redis:7",
			Origin: fact.Origin{Path: "/root/.bash_history", Line: 12}}},
	}, {Listener: "tcp 0.0.0.0:80", From: "nobody", Why: "isolated", Service: "web"}}}
	for lang, want := range map[string][]string{
		"en":    {"in container cache of redis:7", "saved no later than", "published as 0.0.0.0:16379", "around the rules of INPUT", "by root: docker run -p 16379:6379 redis:7", "tcp 0.0.0.0:80 web"},
		"zh-CN": {"在容器 cache 中，镜像 redis:7", "最晚在", "发布为 0.0.0.0:16379", "绕过 INPUT", "由 root 打开"},
	} {
		var b bytes.Buffer
		if err := Exposure(&b, s, Options{Catalogue: catalogue(t, lang), Width: 200}); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(b.String()), " ")
		for _, w := range want {
			if !strings.Contains(text, w) && !strings.Contains(strings.ReplaceAll(text, " ", ""), strings.ReplaceAll(w, " ", "")) {
				t.Errorf("%s: %q is not in:\n%s", lang, w, b.String())
			}
		}
	}
}
