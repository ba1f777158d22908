package crontab

import "bytes"

// States of load_env in env.c, in the order in which they are gone through.
const (
	nameStart = iota
	nameRest
	equals
	afterEquals
	valueStart
	valueRest
	done
	failed
)

// assign is load_env of env.c: NAME = value, either of them quoted or not.
func assign(s []byte) (name, value []byte, ok bool) {
	state, quote := nameStart, byte(0)
	for i := 0; i < len(s) && state != failed; {
		c := s[i]
		switch state {
		case nameStart, valueStart:
			state++
			if c == '\'' || c == '"' {
				quote = c
				i++
			}
			// What follows the quote is looked at even if it is the end of
			// the line; C reads the NUL there, which ends the loop.
		case nameRest:
			switch {
			case quote != 0 && c == quote, quote == 0 && isSpace(c):
				state++
				i++
			case quote != 0 && c == '=':
				state = failed
			case c == '=' && quote == 0:
				state++
			default:
				name = append(name, c)
				i++
			}
		case valueRest:
			i++
			if quote != 0 && c == quote {
				state++
				break
			}
			value = append(value, c)
		case equals:
			i++
			if c == '=' {
				state, quote = state+1, 0
			} else if !isSpace(c) {
				state = failed
			}
		case afterEquals, done:
			if isSpace(c) {
				i++
			} else {
				state++
			}
		}
	}
	if state == valueRest && quote == 0 {
		return name, bytes.TrimRightFunc(value, func(r rune) bool { return r < 128 && isSpace(byte(r)) }), true
	}
	return name, value, state == done
}

// isSpace is isspace in the C locale.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
