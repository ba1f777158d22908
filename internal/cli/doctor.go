package cli

import (
	"github.com/spf13/cobra"

	"demine/internal/report"
)

func (a *app) doctorCommand() *cobra.Command {
	var from string
	var json bool
	cmd := &cobra.Command{
		Use: "doctor", Short: a.c.Say("help.doctor"), Long: a.c.Say("help.doctor.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.see(cmd.Context(), from, true)
			if err != nil {
				return err
			}
			if incomplete(s) {
				a.exit(exitIncomplete)
			}
			if json {
				return report.DoctorJSON(a.out, s)
			}
			return report.Doctor(a.out, s, a.options())
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().StringVar(&from, "from", "", a.c.Say("help.flag.from"))
	return cmd
}
