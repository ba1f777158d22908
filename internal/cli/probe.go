package cli

import "github.com/spf13/cobra"

// probeFlag is --no-probe, of the commands that look.
func (a *app) probeFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.noProbe, "no-probe", false, a.c.Say("help.flag.no-probe"))
}
