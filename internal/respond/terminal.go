package respond

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// terminalName is a terminal as utmp has it: nothing else below /dev is opened.
var terminalName = regexp.MustCompile(`^(pts/[0-9]{1,6}|tty[0-9A-Za-z]{1,8}|hvc[0-9]{1,3})$`)

// TellTerminal writes a line to a terminal, as shutdown(8) does, whatever
// mesg(1) says. One that is gone or does not take it is no error.
func TellTerminal(name, text string) {
	if !terminalName.MatchString(name) {
		return
	}
	f, err := os.OpenFile("/dev/"+name, os.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if i, err := f.Stat(); err != nil || i.Mode()&os.ModeCharDevice == 0 {
		return
	}
	_ = f.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = f.WriteString("\r\n" + strings.ReplaceAll(text, "\n", "\r\n") + "\r\n")
}
