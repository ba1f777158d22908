package cli

import "strings"

// again is the command as it was typed, with one flag more.
func (a *app) again(flag string) string {
	words := []string{"demine"}
	for _, w := range append(a.typed[:len(a.typed):len(a.typed)], flag) {
		words = append(words, shellWord(w))
	}
	return strings.Join(words, " ")
}

// shellWord writes a word so that a shell takes it as it is.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
