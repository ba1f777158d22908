package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"demine/internal/report"
)

func (a *app) explainCommand() *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use: "explain [ID]", Short: a.c.Say("help.explain"), Long: a.c.Say("help.explain.long"), Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.see(cmd.Context(), from, false)
			if err != nil {
				return err
			}
			a.exit(exitOf(s, false))
			err = report.Explain(a.out, s, a.options(), append(args, "")[0])
			if errors.Is(err, report.ErrNoSuch) {
				return failed("cli.no-such", "id", args[0])
			}
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", a.c.Say("help.flag.from"))
	a.probeFlag(cmd)
	return cmd
}
