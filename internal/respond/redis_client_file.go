package respond

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"demine/internal/fact"
)

// clientFile is the text of a program's configuration that names a Redis of
// this host by its port.
type clientFile struct {
	path  fact.Path
	lines []string // with their ends
	port  string
	hosts []string // names of this host
	edits int
}

func openClientFile(p fact.Path, text []byte, port int, hosts []string) *clientFile {
	c := &clientFile{path: p, port: strconv.Itoa(port), hosts: hosts}
	for _, l := range splitLines(text) {
		c.lines = append(c.lines, string(l))
	}
	return c
}

func (c *clientFile) bytes() []byte {
	var b bytes.Buffer
	for _, l := range c.lines {
		b.WriteString(l)
	}
	return b.Bytes()
}

// local are the host:port forms of this server.
func (c *clientFile) local() string {
	var out []string
	for _, h := range c.hosts {
		if strings.Contains(h, ":") {
			h = "[" + h + "]"
		}
		out = append(out, regexp.QuoteMeta(h))
	}
	return "(?:" + strings.Join(out, "|") + ")"
}

// names reports whether the text names the server: as host:port, or by its
// port under a key of Redis.
func (c *clientFile) names() bool {
	at := regexp.MustCompile(c.local() + ":" + c.port + `\b`)
	return slices.ContainsFunc(c.lines, func(l string) bool { return !comment(l) && at.MatchString(l) }) || len(c.ports()) > 0
}

func comment(l string) bool {
	l = strings.TrimSpace(l)
	return l == "" || l[0] == '#' || l[0] == ';'
}

// Keys of flat files (properties, environment) for the port of a Redis; what
// stands before "port" is also before "password".
var portKey = regexp.MustCompile(`(?i)^(\s*(?:export\s+)?(?:[\w.-]*[._-])?redis[._-](?:[\w.-]+[._-])?)(port)(\s*[=:]\s*)["']?(\d+)["']?\s*$`)

// portLine is a line that sets the port, and how its key begins.
type portLine struct {
	n           int
	prefix, key string
	assign      string
	from, to    int // the lines among which its password may stand
}

// ports finds those lines, also in a block "redis:" of YAML.
func (c *clientFile) ports() []portLine {
	var out []portLine
	for i, l := range c.lines {
		if m := portKey.FindStringSubmatch(strings.TrimRight(l, "\r\n")); m != nil && !comment(l) && m[4] == c.port {
			out = append(out, portLine{i, m[1], m[2], m[3], 0, len(c.lines)})
		}
	}
	return append(out, c.yamlPorts()...)
}

var (
	yamlBlock = regexp.MustCompile(`^( *)redis:\s*$`)
	yamlPort  = regexp.MustCompile(`^( +)(port)(:\s*)["']?(\d+)["']?\s*$`)
)

func (c *clientFile) yamlPorts() []portLine {
	var out []portLine
	for from := 0; from < len(c.lines); from++ {
		block := yamlBlock.FindStringSubmatch(strings.TrimRight(c.lines[from], "\r\n"))
		if block == nil {
			continue
		}
		to := c.blockEnd(from, len(block[1]))
		for i := from + 1; i < to; i++ {
			m := yamlPort.FindStringSubmatch(strings.TrimRight(c.lines[i], "\r\n"))
			if m != nil && m[4] == c.port {
				out = append(out, portLine{i, m[1], m[2], m[3], from, to})
			}
		}
	}
	return out
}

// blockEnd is where the lines that are further in than the block's key end.
func (c *clientFile) blockEnd(from, indent int) int {
	for i := from + 1; i < len(c.lines); i++ {
		if l := c.lines[i]; !comment(l) && len(l)-len(strings.TrimLeft(l, " ")) <= indent {
			return i
		}
	}
	return len(c.lines)
}

// setPassword puts the password wherever the file names the server. A Refusal:
// it cannot be told how the program reads it.
func (c *clientFile) setPassword(pass string) error {
	at := regexp.MustCompile(`\bredis://(` + c.local() + ":" + c.port + `\b)`)
	for i, l := range c.lines {
		if n := at.ReplaceAllString(l, "redis://:"+pass+"@${1}"); n != l && !comment(l) {
			c.lines[i], c.edits = n, c.edits+1
		}
	}
	ports := c.ports()
	for _, p := range slices.Backward(ports) {
		if err := c.passwordBeside(p, pass); err != nil {
			return err
		}
	}
	if c.edits == 0 || len(ports) > 1 {
		return Refuse("refuse.redis-client-file", "path", c.path)
	}
	return nil
}

// passwordBeside gives the key of the password beside that of the port its
// value, or adds it.
func (c *clientFile) passwordBeside(p portLine, pass string) error {
	word := "password"
	if p.key == strings.ToUpper(p.key) {
		word = "PASSWORD"
	}
	key := regexp.MustCompile(`^` + regexp.QuoteMeta(p.prefix+word) + `\s*[=:]`)
	found := -1
	for i := p.from; i < p.to; i++ {
		if key.MatchString(c.lines[i]) {
			if found >= 0 {
				return Refuse("refuse.redis-client-file", "path", c.path)
			}
			found = i
		}
	}
	end := string(lineEnd([]byte(c.lines[p.n])))
	line := p.prefix + word + p.assign + pass
	c.edits++
	if found >= 0 {
		c.lines[found] = line + string(lineEnd([]byte(c.lines[found])))
		return nil
	}
	if end == "" {
		c.lines[p.n] += "\n"
	}
	c.lines = slices.Insert(c.lines, p.n+1, line+end)
	return nil
}

// setPort puts another port wherever the file names the server.
func (c *clientFile) setPort(port int) error {
	to := strconv.Itoa(port)
	at := regexp.MustCompile(`(` + c.local() + `:)` + c.port + `\b`)
	for _, p := range c.ports() {
		c.lines[p.n] = strings.Replace(c.lines[p.n], c.port, to, 1)
		c.edits++
	}
	for i, l := range c.lines {
		if n := at.ReplaceAllString(l, "${1}"+to); n != l && !comment(l) {
			c.lines[i], c.edits = n, c.edits+1
		}
	}
	if c.edits == 0 {
		return Refuse("refuse.redis-client-file", "path", c.path)
	}
	return nil
}
