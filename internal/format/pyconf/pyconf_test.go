package pyconf

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want []string
		odd  bool
	}{
		"plain": {"c = get_config()  #noqa\n# c.ServerApp.token = 'x'\nc.ServerApp.token = ''\nc.NotebookApp.password=u'sha1:ab' # set\nc.ServerApp.port = 8888\nc.ServerApp.open = False\n",
			[]string{"3 ServerApp.token=", "4 NotebookApp.password=sha1:ab", "5 ServerApp.port=8888", "6 ServerApp.open=False"}, false},
		"from elsewhere": {"import os\nc.ServerApp.token = os.environ['T']\n", nil, true},
		"indented":       {"if True:\n    c.ServerApp.token = ''\n", nil, true},
		"joined":         {"c.A.b = 'a' + 'b'\n", nil, true},
		"long string":    {"c.A.b = '''a\n'''\n", nil, true},
		"empty":          {"", nil, false},
	} {
		s, odd := Parse([]byte(c.file))
		var got []string
		for _, x := range s {
			got = append(got, fmt.Sprintf("%d %s=%s", x.Origin.Line, x.Name, x.Value))
		}
		if d := cmp.Diff(c.want, got); d != "" || odd != c.odd {
			t.Errorf("%s: odd %v: %s", name, odd, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("c.A.b = 'x' # y\nc.A.c = 1\n"))
	f.Add([]byte("a='\\''\nb=\"\"\"\n\xff=\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _ := Parse(b)
		for _, x := range s {
			if x.Name == "" || !utf8.ValidString(x.Name+x.Value) || x.Origin.Line < 1 {
				t.Errorf("%+v", x)
			}
		}
	})
}
