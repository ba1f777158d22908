package cli

import (
	"encoding/json"
	"io"
	"os"

	"github.com/spf13/cobra"

	"demine/internal/fact"
	"demine/internal/respond"
)

// Plans are small; a larger file is none.
const maxPlan = 16 << 20

func (a *app) applyCommand() *cobra.Command {
	f := &changeFlags{noWait: true}
	cmd := &cobra.Command{
		Use: "apply FILE", Short: a.c.Say("help.apply"), Long: a.c.Say("help.apply.long"), Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misused("demine clean --dry-run --json > PLAN", "cli.no-plan")
			}
			p, err := a.storedPlan(args[0])
			if err != nil {
				return err
			}
			ag, err := a.agent()
			if err != nil {
				return err
			}
			return a.propose(cmd.Context(), ag, p, nil, f)
		},
	}
	cmd.Flags().BoolVar(&f.json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, a.c.Say("help.flag.yes"))
	return cmd
}

func (a *app) storedPlan(file string) (respond.Plan, error) {
	var p respond.Plan
	r := a.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return p, err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxPlan))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, failed("cli.bad-plan", "file", file, "error", err.Error())
	}
	if p.Schema != fact.SchemaVersion || len(p.Steps) == 0 || p.ID == "" {
		return p, failed("cli.bad-plan", "file", file, "error", "no plan")
	}
	return p, nil
}
