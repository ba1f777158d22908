package properties

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const file = "# c\n! c\nnacos.core.auth.enabled=false\r\n  a : b c \nspark.authenticate  true\n" +
		"long = one, \\\n   two\nkey\\=x = 1\nempty=\nwin = C:\\\\dir\nalone\n=x\n"
	var got []string
	for _, s := range Parse([]byte(file)) {
		got = append(got, fmt.Sprintf("%d %s=%s", s.Origin.Line, s.Name, s.Value))
	}
	want := []string{
		"3 nacos.core.auth.enabled=false", "4 a=b c", "5 spark.authenticate=true", "6 long=one, two", "8 key=x=1", "9 empty=",
		`10 win=C:\dir`, "11 alone=",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("a=b\nc : d\\\n e\n#f\n\\"))
	f.Add([]byte("\\=\\\\\n\xff \xfe\\"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range Parse(b) {
			if s.Name == "" || !utf8.ValidString(s.Name+s.Value) || s.Origin.Line < 1 {
				t.Errorf("%+v", s)
			}
		}
	})
}
