// Package mask hides secrets in command lines: passwords given to clients,
// credentials in URLs, authorization headers, API tokens. What it hides becomes
// "***". It errs on the side of hiding, except that what an investigation needs
// stays: programs, hosts, paths, URLs, the user of a URL (a miner's wallet).
//
// There is no format behind this: the options are those of the programs' man
// pages, the token prefixes those that their issuers document.
package mask

import (
	"path"
	"regexp"
	"strings"
)

// Hidden stands where a secret was.
const Hidden = "***"

// Text masks a command line, a line of a script or any other text. Masking
// twice gives the same as once. Time is linear.
func Text(s string) string {
	if s = programs(s); mayHold(s) {
		return patterns(s)
	}
	return s
}

// hints are parts of which every text that patterns would change holds one:
// almost no argument does, and there are thousands on a host.
var hints = []string{"pass", "secret", "token", "key", "pwd", "auth", "@", "sudo", "kinit", "cryptsetup", "docker", "cookie", "credential", "identified",
	"sig", "akia", "asia", "akid", "ltai", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat", "glpat-", "xox",
	"sk-", "npm_", "hf_", "dckr_", "hvs.", "eyj"}

func mayHold(s string) bool {
	s = strings.ToLower(s)
	for _, h := range hints {
		if strings.Contains(s, h) {
			return true
		}
	}
	return false
}

// Argv masks the arguments of one process and gives them back in a new slice;
// argv[0] says which program's options they are.
func Argv(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	out := make([]string, len(argv))
	m := masker{}
	for i, a := range argv {
		switch masked, hit := m.word(a); {
		case hit:
			out[i] = masked
		case strings.ContainsAny(a, " \t\n;|&"):
			out[i] = Text(a) // code of sh -c, a title set by the program
		case mayHold(a):
			out[i] = patterns(a)
		default:
			out[i] = a
		}
	}
	return out
}

// masker goes through the words of one command.
type masker struct {
	rule  *rule
	known bool // rule is set: a later word is no program
	next  int  // so many of the words that follow are secrets
}

// rule says which arguments of a program are secrets.
type rule struct {
	attached string         // short options with the secret in the same word
	next     []string       // options with the secret in the next word
	pair     []string       // options with user:secret in the next word
	words    map[string]int // so many secrets follow the word
	after    *rule          // once its word "login" was seen
}

var (
	mysql = &rule{attached: "p"}
	login = &rule{after: &rule{next: []string{"-p"}}}
)

// rules by program. A program named here is looked for anywhere in a command,
// since sudo, timeout and their like stand before it.
var rules = map[string]*rule{
	"mysql": mysql, "mysqldump": mysql, "mysqladmin": mysql, "mysqlimport": mysql, "mysqlbinlog": mysql, "mysqlslap": mysql,
	"mysqlcheck": mysql, "mysqlsh": mysql, "mysqlpump": mysql, "mariadb": mysql, "mariadb-dump": mysql, "mariadb-admin": mysql,
	"xtrabackup": mysql, "mariabackup": mysql, "innobackupex": mysql, "mydumper": {attached: "p", next: []string{"-p"}},
	"redis-cli": {next: []string{"-a", "--pass"}, words: map[string]int{"auth": 2}},
	"sshpass":   {attached: "p", next: []string{"-p"}},
	"curl":      {pair: []string{"-u", "--user", "-U", "--proxy-user"}},
	"mongo":     {next: []string{"-p"}}, "mongosh": {next: []string{"-p"}},
	"mongodump": {next: []string{"-p"}}, "mongorestore": {next: []string{"-p"}}, "mongoexport": {next: []string{"-p"}},
	"ldapsearch": {next: []string{"-w"}, attached: "w"}, "ldapmodify": {next: []string{"-w"}}, "ldapadd": {next: []string{"-w"}},
	"docker": login, "podman": login, "helm": login, "az": login,
	"zip": {next: []string{"-P"}}, "unzip": {next: []string{"-P"}, attached: "P"}, "7z": {attached: "p"}, "7za": {attached: "p"},
	"useradd": {next: []string{"-p"}}, "usermod": {next: []string{"-p"}}, "openssl": {next: []string{"-k", "-K", "-passin", "-passout", "-pass"}},
	"smbclient": {pair: []string{"-U"}}, "ipmitool": {next: []string{"-P"}},
	"rdesktop": {next: []string{"-p"}}, "sqlcmd": {next: []string{"-P"}}, "bcp": {next: []string{"-P"}},
	"nmcli": {words: map[string]int{"password": 1}},
}

// long options whose value is a secret, for every program: --db-password,
// --api_key …
var longSecret = regexp.MustCompile(`(?i)^--?[\w.-]*?(password|passwd|passphrase|passwort|secret|token|api[-_.]?key|access[-_.]?key|secret[-_.]?key|auth[-_.]?key|requirepass|masterauth|masteruser-pass)$`)

// notSecret: options that only look like one of those.
var notSecret = regexp.MustCompile(`(?i)(-file|-stdin|-fd|-from|no-password|no-passwd)$|^--?(no-|ask-|skip-)`)

func secretOption(name string) bool {
	return strings.HasPrefix(name, "-") && (name == "--pass" || longSecret.MatchString(name)) && !notSecret.MatchString(name)
}

// word masks one word; hit is false when it has no secret of its program.
func (m *masker) word(w string) (masked string, hit bool) {
	if m.next > 0 {
		m.next--
		return Hidden, true
	}
	if !m.known && !strings.HasPrefix(w, "-") {
		m.rule = rules[path.Base(w)]
		m.known = m.rule != nil
		return w, false
	}
	if name, value, ok := strings.Cut(w, "="); ok && value != "" && secretOption(name) {
		return name + "=" + Hidden, true
	}
	if secretOption(w) {
		m.next = 1
		return w, false
	}
	if m.rule == nil {
		return w, false
	}
	return m.ofProgram(w)
}

func (m *masker) ofProgram(w string) (string, bool) {
	r := m.rule
	if r.after != nil && w == "login" {
		m.rule = r.after
		return w, false
	}
	for _, o := range r.next {
		if w == o {
			m.next = 1
			return w, false
		}
	}
	for _, o := range r.pair {
		if w == o {
			m.rule = &rule{next: r.next, pair: r.pair, attached: r.attached, words: map[string]int{pairNext: 1}}
			return w, false
		}
	}
	if r.words[pairNext] > 0 {
		m.rule = &rule{next: r.next, pair: r.pair, attached: r.attached}
		return pair(w)
	}
	if len(w) > 2 && w[0] == '-' && strings.IndexByte(r.attached, w[1]) >= 0 {
		return w[:2] + Hidden, true
	}
	for _, o := range r.pair {
		if len(o) == 2 && strings.HasPrefix(w, o) {
			s, hit := pair(w[2:])
			return o + s, hit
		}
	}
	if n := r.words[strings.ToLower(w)]; n > 0 {
		m.next = n
	}
	return w, false
}

// pairNext is the word of a rule that says that the next one is user:secret.
const pairNext = "\x00pair"

func pair(w string) (string, bool) {
	i := strings.IndexAny(w, ":%")
	if i < 0 || i+1 == len(w) {
		return w, false
	}
	return w[:i+1] + Hidden, true
}
