package yamlconf

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"mongod.conf":       {"# c\nnet:\n  port: 27017\n  bindIp: 0.0.0.0\nsecurity:\n  authorization: \"enabled\"\n", []string{"3 net.port=27017", "4 net.bindIp=0.0.0.0", "6 security.authorization=enabled"}},
		"elasticsearch.yml": {"xpack.security.enabled: false\nnetwork.host: [_local_, 10.0.0.5]\n", []string{"1 xpack.security.enabled=false", "2 network.host.0=_local_", "2 network.host.1=10.0.0.5"}},
		"daemon.json":       {"{\n \"hosts\": [\"tcp://0.0.0.0:2375\"],\n \"tlsverify\": null\n}", []string{"2 hosts.0=tcp://0.0.0.0:2375", "3 tlsverify="}},
		"aliases":           {"a: &a [x, x]\nb: [*a, *a]\n", []string{"1 a.0=x", "1 a.1=x"}},
		"empty":             {"\n# nothing\n", nil},
	} {
		s, err := Parse([]byte(c.file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, x := range s {
			got = append(got, fmt.Sprintf("%d %s=%s", x.Origin.Line, x.Name, x.Value))
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestBounds(t *testing.T) {
	if _, err := Parse([]byte("a: [b\n c: }")); !errors.Is(err, ErrSyntax) {
		t.Errorf("error %v", err)
	}
	if s, _ := Parse([]byte("a: [" + strings.Repeat("1,", 3*maxSettings) + "1]")); len(s) != maxSettings {
		t.Errorf("%d settings", len(s))
	}
	if s, _ := Parse([]byte(strings.Repeat("[", 3*maxDepth) + "1" + strings.Repeat("]", 3*maxDepth))); len(s) != 0 {
		t.Errorf("deeper than %d: %v", maxDepth, s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a:\n  b: [c, {d: e}]\nf: &g h\ni: *g\n"))
	f.Add([]byte("{\"a\": [1, null, \"\\u0000\"]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _ := Parse(b)
		for _, x := range s {
			if x.Name == "" || !utf8.ValidString(x.Name+x.Value) || x.Origin.Line < 1 {
				t.Errorf("%+v", x)
			}
		}
	})
}
