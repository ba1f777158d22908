package report

import (
	"bytes"
	"strings"
	"testing"

	"demine/internal/fact"
	"demine/internal/i18n"
)

// A process is told with its container and with the pool that it was heard to
// talk to, on the first screen and in the whole story, hostile names escaped.
func TestSurroundings(t *testing.T) {
	s := load(t, "mining")
	im := &s.Incidents[0].Implants[0]
	im.Container = &fact.Container{
		ID: strings.Repeat("ab", 32), Name: "web\x1b[31m", Image: "evil/web:1", Project: "shop", Restart: "always", Privileged: true,
	}
	im.HostPath = "/var/lib/docker/merged/minerd"
	im.Flows = []*fact.Flow{
		{Role: "server", Peer: "10.0.0.9:1"},
		{Role: "client", Dialect: "monero", Peer: "203.0.113.7:3333", Methods: []string{"login", "job"}, Indicators: []fact.Indicator{
			{Kind: "pool", Value: "203.0.113.7:3333"}, {Kind: "wallet", Value: "48wallet"},
		}},
	}
	for lang, want := range map[string][]string{
		i18n.English: {`web\x1b[31m`, "image evil/web:1", "compose project shop", "restart always", "privileged",
			"203.0.113.7:3333, Stratum (monero): login, job", "for 48wallet"},
		i18n.Chinese: {"镜像 evil/web:1", "compose 项目 shop", "重启策略 always", "特权容器", "钱包或账号 48wallet"},
	} {
		for name, write := range map[string]func(*bytes.Buffer, Options) error{
			"text":    func(b *bytes.Buffer, o Options) error { return Text(b, s, o) },
			"explain": func(b *bytes.Buffer, o Options) error { return Explain(b, s, o, "") },
		} {
			var b bytes.Buffer
			if err := write(&b, Options{Catalogue: i18n.Load(lang), Width: 200}); err != nil {
				t.Fatal(err)
			}
			for _, w := range want {
				if !strings.Contains(b.String(), w) {
					t.Errorf("%s in %s: %q is missing:\n%s", name, lang, w, b.String())
				}
			}
		}
	}
	var whole bytes.Buffer
	if err := Explain(&whole, s, Options{}, ""); err != nil || !strings.Contains(whole.String(), "where        /var/lib/docker/merged/minerd") {
		t.Errorf("not where it lies: %v\n%s", err, whole.String())
	}
	im.Container.Name = ""
	var b bytes.Buffer
	if err := Text(&b, s, Options{}); err != nil || !strings.Contains(b.String(), "abababababab") {
		t.Errorf("without a name: %v\n%s", err, b.String())
	}
}
