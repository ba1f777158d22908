package explain

import "testing"

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"postgres", "postgres", true},
		{"postgres", "postgresql", false},
		{"postgres*", "postgresql@15-main.service", true},
		{"*postgres*", "docker.io/library/postgres:15", true},
		{"/var/www/*", "/var/www/a/b.php", true},
		{"/home/*/public_html/*", "/home/x/public_html/i.php", true},
		{"/home/*/public_html/*", "/home/x/html/i.php", false},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b", "xxaxxbx", false},
		{"*", "x", true},
		{"*", "", false},
		{"", "x", false},
		{"a**b", "ab", true},
	} {
		if got := like(c.name, []string{c.pattern}); got != c.want {
			t.Errorf("like(%q, %q) = %v", c.name, c.pattern, got)
		}
	}
}
