// Package mask takes secrets out of command lines where they are read, so that
// no fact, report or log ever holds one. It knows how common programs take a
// password (mysql(1), redis-cli, curl(1), sshpass(1), pg), how keys of clouds
// look, and where URLs carry credentials. What it leaves readable is what an
// operator must see: programs, hosts, paths, wallets and pools.
package mask

import (
	"path"
	"regexp"
	"strings"
)

// Hidden stands where a secret was.
const Hidden = "***"

// replacements are applied in order to a whole line. Each keeps its first group
// and hides the rest.
var replacements = []*regexp.Regexp{
	regexp.MustCompile(`(?i)(--?(?:password|passwd|passphrase|pass|secret|token|api-?key|access-?key|requirepass|masterauth)[= ]+)("[^"]*"|'[^']*'|[^\s"';|&]+)`),
	regexp.MustCompile(`(?i)(\b(?:requirepass|masterauth|redisauth)[ =]+)("[^"]*"|'[^']*'|[^\s"';|&]+)`),
	regexp.MustCompile(`(?i)(\b[a-z0-9_]*(?:password|passwd|secret|token|api_?key|access_?key|_pwd|_pass)=)("[^"]*"|'[^']*'|[^\s"';|&]+)`),
	regexp.MustCompile(`(\b(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump|xtrabackup|mysqlimport)\b[^|;&]*?\s-p)([^\s"';|&]+)`),
	regexp.MustCompile(`(\bredis-cli\b[^|;&]*?\s-a\s+)("[^"]*"|'[^']*'|[^\s"';|&]+)`),
	regexp.MustCompile(`(\bsshpass\s+-p\s*)("[^"]*"|'[^']*'|[^\s"';|&]+)`),
	regexp.MustCompile(`(\bcurl\b[^|;&]*?\s(?:-u|--user)[ =]?[^\s:"']+:)([^\s"';|&]+)`),
	regexp.MustCompile(`(?i)(\bauthorization:\s*(?:basic|bearer|token)\s+)([^\s"']+)`),
	regexp.MustCompile(`([a-z][a-z0-9+.-]*://[^\s/:@"']*:)([^\s/@"']+)(@)`),
	regexp.MustCompile(`(\b(?:AKIA|ASIA|LTAI|ghp_|glpat-|xox[bp]-))([A-Za-z0-9_-]{8,})`),
}

// hints are parts of which every masked text holds one: almost no argument
// does, and there are thousands on a host.
var hints = []string{"pass", "secret", "token", "key", "pwd", "auth", "@", " -p", "-a", " -u", "--user",
	"akia", "asia", "ltai", "ghp_", "glpat-", "xoxb-", "xoxp-"}

func mayHold(s string) bool {
	s = strings.ToLower(s)
	for _, h := range hints {
		if strings.Contains(s, h) {
			return true
		}
	}
	return false
}

// Text masks a command line or a line of a history. It is idempotent.
func Text(s string) string {
	if !mayHold(s) {
		return s
	}
	for _, re := range replacements {
		s = re.ReplaceAllStringFunc(s, func(m string) string {
			g := re.FindStringSubmatch(m)
			tail := ""
			if len(g) > 3 {
				tail = g[3]
			}
			return g[1] + Hidden + tail
		})
	}
	return s
}

// takesValue are options after which the next argument is a secret, by
// program; "" is any program.
var takesValue = map[string][]string{
	"":           {"--password", "--passwd", "--pass", "--secret", "--token", "--requirepass", "--masterauth", "--api-key", "--access-key", "--secret-key"},
	"redis-cli":  {"-a"},
	"sshpass":    {"-p"},
	"ldapsearch": {"-w"},
}

var joined = regexp.MustCompile(`^(mysql|mariadb|xtrabackup)`)

// Argv masks the arguments of a process. The slice is changed and returned.
func Argv(argv []string) []string {
	if len(argv) == 0 {
		return argv
	}
	prog := path.Base(argv[0])
	for i := 1; i < len(argv); i++ {
		a := argv[i]
		switch {
		case secretFollows(prog, argv[i-1]) && !strings.HasPrefix(a, "--"):
			argv[i] = Hidden
		case joined.MatchString(prog) && strings.HasPrefix(a, "-p") && len(a) > 2:
			argv[i] = "-p" + Hidden
		default:
			argv[i] = Text(a)
		}
	}
	return argv
}

func secretFollows(prog, option string) bool {
	for _, p := range []string{"", prog} {
		for _, o := range takesValue[p] {
			if o == option {
				return true
			}
		}
	}
	return false
}
