package sitexml

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const file = `<?xml version="1.0"?>
<configuration>
  <!-- <property><name>off</name><value>1</value></property> -->
  <property>
    <name>hadoop.security.authentication</name>
    <value> kerberos </value>
    <final>true</final>
  </property>
  <property><name></name><value>x</value></property>
  <property><name>a</name><value>&lt;b&gt;</value></property>
</configuration>`
	s, err := Parse([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range s {
		got = append(got, fmt.Sprintf("%d %s=%s", x.Origin.Line, x.Name, x.Value))
	}
	if d := cmp.Diff([]string{"4 hadoop.security.authentication=kerberos", "10 a=<b>"}, got); d != "" {
		t.Error(d)
	}
}

// What stands before an error counts.
func TestBroken(t *testing.T) {
	s, err := Parse([]byte("<c><property><name>a</name><value>1</value></property><property><name>b"))
	if err == nil || len(s) != 1 {
		t.Errorf("%v %v", s, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("<configuration><property><name>a</name><value>b</value></property></configuration>"))
	f.Add([]byte("<property><name>\xff</name>&#0;"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _ := Parse(b)
		for _, x := range s {
			if x.Name == "" || !utf8.ValidString(x.Name+x.Value) || x.Origin.Line < 1 {
				t.Errorf("%+v", x)
			}
		}
	})
}
