package relate

import (
	"fmt"
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
