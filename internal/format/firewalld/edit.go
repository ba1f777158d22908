package firewalld

import (
	"bytes"
	"encoding/xml"
	"regexp"
)

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
