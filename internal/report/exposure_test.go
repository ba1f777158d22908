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
		if err := Exposure(&b, s, nil, Options{Catalogue: catalogue(t, lang), Width: 200}); err != nil {
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

// Before the rule of all leases stands by which one a listener is reached, whose it is
// and for how long, and the command for more of it on one line.
func TestExposureByLease(t *testing.T) {
	s := &explain.Scan{Snapshot: &fact.Snapshot{}, Exposure: []relate.Exposure{{
		Listener: "tcp 0.0.0.0:6380", Port: 6380, From: "some", Why: "rule", Chain: "input", RuleN: 4, Service: "redis", Because: "meta mark & 0x00001000",
		Lease: "L-7Q2KD, L-22222"}},
		Openings: []relate.OpenRule{{Lease: "L-7Q2KD", Left: 60}, {Lease: "L-7Q2KD", Left: 7*3600 + 59*60}},
	}
	for lang, want := range map[string][]string{
		"en":    {"let in by lease L-7Q2KD (order-team)", "ends in 7 h 59 min\n    demine lease show L-7Q2KD\n", "let in by lease L-22222\n    demine lease show L-22222\n", "meta mark"},
		"zh-CN": {"由租约 L-7Q2KD 放行（order-team）", "7 小时 59 分钟后结束\n    demine lease show L-7Q2KD\n", "由租约 L-22222 放行\n    demine lease show L-22222\n", "meta mark"},
	} {
		var b bytes.Buffer
		if err := Exposure(&b, s, map[string]string{"L-7Q2KD": "order-team"}, Options{Catalogue: catalogue(t, lang), Width: 80}); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		for _, w := range want {
			i := strings.Index(text, w)
			if i < 0 {
				t.Fatalf("%s: no %q, or not behind the others, in:\n%s", lang, w, b.String())
			}
			text = text[i+len(w):]
		}
	}
}
