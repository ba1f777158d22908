package ufw

import "strings"

// TupleProto is the protocol of a line "### tuple ###", by which ufw knows the
// rules below as one command: tcp, udp, any; empty for any other line.
func TupleProto(line string) string {
	w := strings.Fields(line)
	if len(w) < 5 || strings.Join(w[:3], " ") != "### tuple ###" {
		return ""
	}
	return w[4]
}

// WithProto is the line of a command for any protocol as that for one.
func WithProto(line, proto string) string {
	head, rest, _ := strings.Cut(line, " any ")
	return head + " " + proto + " " + rest
}
