package nftconf

import (
	"strings"
)

// token is a word, a string, or one character of punctuation; "\n" and ";" end
// a statement.
type token struct {
	text string
	line int
	at   int // where it begins in the text
	end  int
}

// maxTokens is the number of tokens read from one text.
const maxTokens = 2_000_000

// lex cuts a text into tokens. Comments go; a backslash joins two lines.
func lex(s string) (out []token) {
	line := 1
	for i := 0; i < len(s) && len(out) < maxTokens; {
		switch c := s[i]; {
		case c == '\n':
			out = append(out, token{"\n", line, i, i + 1})
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '\\' && i+1 < len(s) && s[i+1] == '\n':
			line++
			i += 2
		case c == '#':
			for i < len(s) && s[i] != '\n' {
				i++
			}
		case c == '"' || c == '\'':
			n := strings.IndexByte(s[i+1:], c)
			if n < 0 {
				n = len(s) - i - 2
			}
			end := min(i+n+2, len(s))
			out = append(out, token{s[i:end], line, i, end})
			line += strings.Count(s[i:end], "\n")
			i = end
		case strings.IndexByte("{};,()=|&^", c) >= 0:
			n := 1
			if c == '=' && i+1 < len(s) && s[i+1] == '=' {
				n = 2
			}
			out = append(out, token{s[i : i+n], line, i, i + n})
			i += n
		case strings.IndexByte("<>!", c) >= 0:
			n := 1
			if i+1 < len(s) && s[i+1] == '=' {
				n = 2
			}
			out = append(out, token{s[i : i+n], line, i, i + n})
			i += n
		default:
			start := i
			for i < len(s) && strings.IndexByte(" \t\r\n{};,()=|&^<>!#\"'", s[i]) < 0 && !(s[i] == '\\' && i+1 < len(s) && s[i+1] == '\n') {
				i++
			}
			if i == start {
				i++
			}
			out = append(out, token{s[start:i], line, start, i})
		}
	}
	return out
}

// unquote takes the quotes of a string away.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return strings.Trim(s, `"'`)
}
