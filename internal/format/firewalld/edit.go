package firewalld

import (
	"bytes"
	"encoding/xml"
	"regexp"
)

// RuleLines is how many lines a rich rule takes that begins with the first of
// lines; 0: it is not one that has its lines to itself.
func RuleLines(lines [][]byte) int {
	for i, l := range lines {
		l = bytes.TrimSpace(l)
		begins, ends := bytes.HasPrefix(l, []byte("<rule")), bytes.HasSuffix(l, []byte("</rule>"))
		switch {
		case begins != (i == 0), bytes.Count(l, []byte("</rule")) > 1, !ends && bytes.Contains(l, []byte("</rule")):
			return 0
		case ends:
			return i + 1
		}
	}
	return 0
}

var emptyPort = regexp.MustCompile(`[ \t]*<port\b[^<>]*/>`)

// CutPort takes the element that opens exactly one port out of a line of a
// zone. false: there is none, or it is not whole within the line. A line that
// has nothing else becomes empty.
func CutPort(line []byte, proto, port string) ([]byte, bool) {
	for _, at := range emptyPort.FindAllIndex(line, -1) {
		var e struct {
			Proto string `xml:"protocol,attr"`
			Port  string `xml:"port,attr"`
		}
		if xml.Unmarshal(line[at[0]:at[1]], &e) != nil || e.Proto != proto || e.Port != port {
			continue
		}
		rest := bytes.Join([][]byte{line[:at[0]], line[at[1]:]}, nil)
		if len(bytes.TrimSpace(rest)) == 0 {
			rest = nil
		}
		return rest, true
	}
	return line, false
}
