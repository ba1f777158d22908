package exports

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const file = `# a comment
/srv/nfs  10.0.0.0/8(rw,sync) *.example.org(ro)
/home     (rw) # the blank
/data     * (rw,no_root_squash)
"/with blank" -rw,root_squash a b(ro,no_root_squash)
/pub\040x
/krb      *(rw,sec=krb5:krb5p) \
          c(sec=sys:krb5)
/net      0.0.0.0/0(rw,no_root_squash)
`
	var got []string
	for _, g := range Parse([]byte(file)) {
		got = append(got, fmt.Sprintf("%d %s %q rw %t root %t krb %t", g.Line, g.Path, g.Client, g.Writable, g.Root, g.Kerberos))
	}
	want := []string{
		`2 /srv/nfs "10.0.0.0/8" rw true root false krb false`, `2 /srv/nfs "*.example.org" rw false root false krb false`,
		`3 /home "" rw true root false krb false`,
		`4 /data "" rw false root false krb false`, `4 /data "" rw true root true krb false`,
		`5 /with blank "a" rw true root false krb false`, `5 /with blank "b" rw false root true krb false`,
		`6 /pub x "" rw false root false krb false`,
		`7 /krb "" rw true root false krb true`, `7 /krb "c" rw false root false krb false`,
		`9 /net "" rw true root true krb false`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("/a *(rw,sec=krb5) (ro)\n\"/b c\" -ro d \\\n e # f"))
	f.Add([]byte("\"\n(\n/ (\xff=\\"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, g := range Parse(b) {
			if g.Path == "" || g.Line < 1 || !utf8.ValidString(g.Client) || g.Client == "*" {
				t.Errorf("%+v", g)
			}
		}
	})
}
