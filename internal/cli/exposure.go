package cli

import (
	"github.com/spf13/cobra"

	"demine/internal/lease"
	"demine/internal/report"
)

func (a *app) exposureCommand() *cobra.Command {
	var from string
	var json bool
	cmd := &cobra.Command{
		Use: "exposure", Short: a.c.Say("help.exposure"), Long: a.c.Say("help.exposure.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.see(cmd.Context(), from, false)
			if err != nil {
				return err
			}
			if incomplete(s, "socket", "firewall", "process") {
				a.exit(exitIncomplete)
			}
			if json {
				return report.ExposureJSON(a.out, s)
			}
			return report.Exposure(a.out, s, a.leaseOwners(from), a.options())
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().StringVar(&from, "from", "", a.c.Say("help.flag.from"))
	a.probeFlag(cmd)
	return cmd
}

// leaseOwners are whose the open leases are, by their names, as far as they can be
// read; of a stored look nothing is known.
func (a *app) leaseOwners(stored string) map[string]string {
	owners := map[string]string{}
	if stored != "" {
		return owners
	}
	for _, le := range a.leases().InState(lease.Open) {
		owners[le.ID] = le.Who
	}
	return owners
}
