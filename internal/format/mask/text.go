package mask

import (
	"regexp"
	"strings"
)

// value is one shell word: quoted, or up to a blank or an operator.
const value = `("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s"';|&]+)`

var replacements = []struct {
	re *regexp.Regexp
	to string
}{
	// Credentials in URLs: the user stays.
	{regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"'?#]*):[^\s/"']*@`), "$1:***@"},
	// Headers.
	{regexp.MustCompile(`(?i)\b((?:proxy-)?authorization\s*[:=]\s*"?)((?:bearer|basic|token|digest|apikey|negotiate)\s+)?[^\s"',;]+`), "$1$2***"},
	{regexp.MustCompile(`(?i)\b((?:x-)?(?:[a-z]+-)?(?:api-?key|auth-token|access-token|private-token|job-token|csrf-token)\s*:\s*)[^\s"',;]+`), "$1***"},
	{regexp.MustCompile(`(?i)\b((?:set-)?cookie\s*:\s*)[^"'\n]+`), "$1***"},
	// Settings and parameters: MYSQL_PWD=, PGPASSWORD=, password=, db.secret=, ?token=.
	{regexp.MustCompile(`(?i)\b((?:[\w.-]*(?:password|passwd|passphrase|secret|token|api_?key|apikey|access_?key|private_?key|requirepass|masterauth|redis_auth|rediscli_auth|credentials?)|[\w.-]*_(?:pass|pwd|auth)|mysql_pwd|sshpass|pass)["']?\s?[=:]\s?)` + secretValue), "$1***"},
	{regexp.MustCompile(`(?i)([?&;](?:key|sign|signature|auth|pass|pwd|access_token|sig)=)[^\s&"'|;]{6,}`), "$1***"},
	{regexp.MustCompile(`(?i)\b(key["']?\s?=\s?["']?)[0-9a-z+/_-]{24,}={0,2}`), "$1***"},
	// Directives of Redis and statements of SQL.
	{regexp.MustCompile(`(?i)\b((?:requirepass|masterauth|primaryauth)["']?\s+)` + value), "$1***"},
	{regexp.MustCompile(`(?i)\b(identified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?)` + value), "$1***"},
	{regexp.MustCompile(`(?i)\b(pass:)[^\s"';|&]+`), "$1***"},
	// A password that is piped to what asks for one.
	{regexp.MustCompile(`(?i)\b((?:echo|printf)\s+(?:-\w+\s+)*)` + value + `(\s*\|\s*(?:\S*/)?(?:sudo\s+(?:-\w+\s+)*)?(?:chpasswd|passwd|sudo\s+-\w*S|kinit|docker\s+login|cryptsetup))`), "$1***$3"},
	{regexp.MustCompile(`\b(sudo\s+-\w*S\b[^|;&]*<<<\s*)` + value), "$1***"},
	// Tokens by their form.
	{regexp.MustCompile(`\b(AKIA|ASIA|LTAI|AKID)[0-9A-Za-z]{12,40}\b`), "$1***"},
	{regexp.MustCompile(`\b(gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|sk-|npm_|hf_|dckr_pat_|hvs\.)[\w-]{16,}`), "$1***"},
	{regexp.MustCompile(`\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?`), Hidden},
}

// secretValue is a value that is no variable: $PASS gives nothing away, and is
// better seen.
const secretValue = `(?:"(?:[^"\\$*]|\\.)(?:[^"\\]|\\.)*"?|'[^'*][^']*'?|[^\s"';|&$*(<>{}][^\s"';|&]*)`

// patterns masks what shows by its form alone.
func patterns(s string) string {
	for _, r := range replacements {
		s = r.re.ReplaceAllString(s, r.to)
	}
	return s
}

// programs goes through the words of a text, command by command, and masks the
// arguments that their programs take for secrets. Everything else stays as it
// is, blanks and quotes too.
func programs(s string) string {
	var b strings.Builder
	var m masker
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\r':
			b.WriteByte(c)
			i++
		case strings.IndexByte("\n;|&()`", c) >= 0:
			m = masker{}
			b.WriteByte(c)
			i++
		default:
			n := wordLen(s[i:])
			b.WriteString(m.quoted(s[i : i+n]))
			i += n
		}
	}
	return b.String()
}

// wordLen is the length of the word that s starts with, quotes included.
func wordLen(s string) int {
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0:
			if c == '\\' && quote == '"' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '\\':
			i++
		case c == '\'' || c == '"':
			quote = c
		case strings.IndexByte(" \t\r\n;|&", c) >= 0:
			return max(i, 1)
		}
	}
	return len(s)
}

var unquote = strings.NewReplacer(`"`, "", `'`, "")

// quoted masks a word as it is written. A quoted word with blanks may be code
// of its own (sh -c '…').
func (m *masker) quoted(w string) string {
	bare := unquote.Replace(w)
	if m.next == 0 && strings.ContainsAny(bare, " \t") && (w[0] == '"' || w[0] == '\'') && len(w) >= 2 && w[len(w)-1] == w[0] {
		m.word(bare)
		return w[:1] + programs(w[1:len(w)-1]) + w[len(w)-1:]
	}
	if bare == "" {
		if m.next > 0 {
			m.next--
		}
		return w
	}
	if masked, hit := m.word(bare); hit {
		return masked
	}
	return w
}
