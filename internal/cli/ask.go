package cli

import (
	"bufio"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"demine/internal/host"
)

// ask writes a question to stderr and reads a line of stdin; its end is an
// empty answer.
func (a *app) ask(id string, pairs ...any) string {
	_, _ = io.WriteString(a.err, a.fold(a.c.Say(id, pairs...))+" ")
	line, _ := bufio.NewReader(io.LimitReader(a.in, 256)).ReadString('\n')
	return strings.TrimSpace(line)
}

// key reads one key of the terminal, without its echo. What was typed before is
// no answer: the next command of an operator who did not wait may begin with
// any letter.
func (a *app) key() byte {
	f, ok := a.in.(*os.File)
	if !ok {
		return 0
	}
	was, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return 0
	}
	defer func() { _ = term.Restore(int(f.Fd()), was) }()
	host.DropTyped(f)
	var b [1]byte
	_, _ = f.Read(b[:])
	return b[0]
}
