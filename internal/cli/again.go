package cli

import (
	"slices"
	"strings"
)

// again is the command as it was typed, with one flag more: behind -- it would be none.
func (a *app) again(flag string) string {
	at := slices.Index(a.typed, "--")
	if at < 0 {
		at = len(a.typed)
	}
	words := []string{"demine"}
	for _, w := range slices.Insert(slices.Clone(a.typed), at, flag) {
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
