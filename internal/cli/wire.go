package cli

import (
	"time"

	"github.com/spf13/cobra"
)

// The shortest and the longest time to listen: in less nobody says a word, and a
// plan must not be old when it is made.
const (
	leastWire = time.Second
	mostWire  = 5 * time.Minute
)

func (a *app) wireFlag(cmd *cobra.Command, d *time.Duration) {
	cmd.Flags().DurationVar(d, "wire", 0, a.c.Say("help.flag.wire"))
}

func checkWire(command string, d time.Duration) error {
	if d != 0 && (d < leastWire || d > mostWire) {
		return misused("demine "+command+" --wire 30s", "cli.bad-wire", "value", d.String())
	}
	return nil
}
