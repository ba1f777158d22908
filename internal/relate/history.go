package relate

import (
	"fmt"
	"slices"
	"strings"

	"demine/internal/fact"
)

// OpensPort reports whether a line of a shell history is a command that lets
// somebody reach a port through the packet filter.
func OpensPort(l *fact.LogEvent, port int) bool {
	return l.Kind == "history" && opens(l.Text) && mentions(l.Text, fmt.Sprint(port))
}

func opens(text string) bool {
	for _, closing := range []string{" -D ", "--delete", "delete", "--remove-"} {
		if strings.Contains(text, closing) {
			return false
		}
	}
	lets := strings.Contains(text, "ACCEPT") || strings.Contains(text, "accept") ||
		strings.Contains(text, "allow") || strings.Contains(text, "--add-")
	for _, tool := range []string{"iptables", "nft ", "ufw ", "firewall-cmd"} {
		if strings.Contains(text, tool) {
			return lets
		}
	}
	return false
}

// mentions reports whether a number stands in the text by itself.
func mentions(text, number string) bool {
	for {
		i := strings.Index(text, number)
		if i < 0 {
			return false
		}
		rest := text[i+len(number):]
		if (i == 0 || !digit(text[i-1])) && (rest == "" || !digit(rest[0])) {
			return true
		}
		text = rest
	}
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// opened are the commands that let somebody reach a listener, oldest first; of
// a container also those that published the port.
func (x *Index) opened(e *Exposure) (out []Opening) {
	if e.From == "local" || e.From == "nobody" {
		return nil
	}
	for i := range x.S.Log {
		if l := &x.S.Log[i]; OpensPort(l, e.Port) || publishes(l, e) {
			out = append(out, Opening{l.Time, l.User, l.Text, l.Origin})
		}
	}
	slices.SortStableFunc(out, func(a, b Opening) int { return a.Time.Compare(b.Time) })
	return out[:min(len(out), 8)]
}

// publishes reports whether a line of a history runs a container with a
// published port of a listener.
func publishes(l *fact.LogEvent, e *Exposure) bool {
	if l.Kind != "history" || len(e.Published) == 0 || !strings.Contains(l.Text, " -p") && !strings.Contains(l.Text, "--publish") {
		return false
	}
	return (strings.Contains(l.Text, "docker ") || strings.Contains(l.Text, "podman ")) && slices.ContainsFunc(e.Published, func(at string) bool {
		return mentions(l.Text, at[strings.LastIndexByte(at, ':')+1:]+":"+fmt.Sprint(e.Port))
	})
}
