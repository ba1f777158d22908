package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/lease"
	"demine/internal/report"
)

func (a *app) leaseShowCommand() *cobra.Command {
	var json bool
	cmd := &cobra.Command{
		Use: "show LEASE", Short: a.c.Say("help.lease.show"), Long: a.c.Say("help.lease.show.long"), DisableFlagsInUseLine: true,
		ValidArgsFunction: a.leaseNames(false, lease.Open, lease.Requested),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := leaseID(cmd, args)
			if err != nil {
				return err
			}
			well, err := a.leaseShow(cmd.Context(), id, json)
			if !well {
				a.exit(exitPartly)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	return cmd
}

// leaseShow shows one lease; well, unless it should be open and is not in force, or
// could not be ended whole.
func (a *app) leaseShow(ctx context.Context, id string, json bool) (well bool, _ error) {
	if err := a.mayRead(); err != nil {
		return true, err
	}
	l, err := a.leases().List(ctx)
	if err != nil {
		return true, a.leaseStopped(ctx, id, err)
	}
	out := shownList(&l)
	at := slices.IndexFunc(l.Leases, func(le lease.Lease) bool { return le.ID == id })
	if at < 0 {
		a.talkAll(out.Swept)
		return true, a.leaseStopped(ctx, id, agent.ErrNoLease)
	}
	well = !slices.ContainsFunc(l.Swept.Trouble, func(t agent.Trouble) bool { return t.ID == id })
	if json {
		return well, report.LeaseShownJSON(a.out, out, &l.Leases[at])
	}
	if l.Leases[at].HeldBy != "" {
		out.Swept = sweptWords(withoutPut(&l.Swept, id))
	}
	a.talkAll(out.Swept)
	return well, report.Lease(a.out, out, &l.Leases[at], a.plainOptions())
}
