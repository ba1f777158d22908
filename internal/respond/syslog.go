package respond

import (
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Syslog tells the system log a line, as LOG_AUTHPRIV and LOG_NOTICE (syslog(3)):
// that is who came in and by what right. A host without a log is no error.
func Syslog(line string) {
	const authpriv, notice = 10 << 3, 5
	conn, err := net.DialTimeout("unixgram", "/dev/log", 200*time.Millisecond)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	text := strings.ToValidUTF8(strings.ReplaceAll(line, "\n", " "), "?")
	_, _ = fmt.Fprintf(conn, "<%d>%s demine[%d]: %s", authpriv|notice, time.Now().Format(time.Stamp), os.Getpid(), text)
}
