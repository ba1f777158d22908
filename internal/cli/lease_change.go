package cli

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/report"
	"demine/internal/respond"
)

func (a *app) leaseExtendCommand() *cobra.Command {
	var json, long bool
	cmd := &cobra.Command{
		Use: "extend LEASE TIME", Short: a.c.Say("help.lease.extend"), Long: a.c.Say("help.lease.extend.long"), DisableFlagsInUseLine: true,
		ValidArgsFunction: a.leaseNames(false, lease.Open),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := leaseID(cmd, args[:min(1, len(args))])
			if err != nil {
				return err
			}
			if len(args) != 2 {
				return misused("demine lease extend "+id+" 1h", "cli.lease-more")
			}
			by, ok := leaseTime(args[1])
			if !ok {
				return misused("demine lease extend "+id+" 1h", "cli.lease-for", "value", args[1])
			}
			if by > lease.MaxLong {
				return misused("demine lease extend "+id+" 1h", "refuse.lease.for", "least", lease.MinFor, "most", lease.MaxLong)
			}
			le, swept, err := a.leases().Extend(cmd.Context(), id, by, long)
			ids := []string{"lease.extended"}
			if err == nil && swept.Shut(&le) {
				a.exit(exitPartly)
				ids = append(ids, "lease.extended.shut")
			}
			return a.leaseChanged(cmd, &le, le.For, nil, &swept, err, json, id, ids...)
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().BoolVar(&long, "long", false, a.c.Say("help.flag.long"))
	return cmd
}

func (a *app) leaseCloseCommand() *cobra.Command {
	var json, cut bool
	rule := &changeFlags{}
	cmd := &cobra.Command{
		Use: "close LEASE|RULE", Short: a.c.Say("help.lease.close"), Long: a.c.Say("help.lease.close.long"),
		ValidArgsFunction: a.ruleNames(a.leaseNames(false, lease.Open, lease.Requested), func(*relate.OpenRule) bool { return true }),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && isRule(args[0]) {
				if err := unmeant(cmd, args[0], "cli.close-flag-lease", "drop-established"); err != nil {
					return err
				}
				rule.json = json
				return a.closeRule(cmd.Context(), args[0], rule)
			}
			id, err := leaseID(cmd, args)
			if err != nil {
				return err
			}
			if err := unmeant(cmd, id, "cli.close-flag-rule", "yes", "revert"); err != nil {
				return err
			}
			if rule.dryRun {
				return a.wouldClose(cmd.Context(), id, json)
			}
			le, swept, err := a.leases().Close(cmd.Context(), id, cut)
			used := a.staying(cmd.Context(), &le)
			return a.leaseChanged(cmd, &le, 0, used, &swept, err, json, id, closedSays(&le, used)...)
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().BoolVar(&cut, "drop-established", false, a.c.Say("help.flag.drop-established"))
	cmd.Flags().BoolVarP(&rule.dryRun, "dry-run", "n", false, a.c.Say("help.flag.lease-dry-run"))
	cmd.Flags().BoolVarP(&rule.yes, "yes", "y", false, a.c.Say("help.flag.yes"))
	cmd.Flags().DurationVar(&rule.revert, "revert", respond.DefaultRevert, a.c.Say("help.flag.revert"))
	return cmd
}

// unmeant refuses flags that say nothing of what is to be closed.
func unmeant(cmd *cobra.Command, what, id string, flags ...string) error {
	for _, f := range flags {
		if cmd.Flags().Changed(f) {
			return misused("demine lease close "+what, id, "flag", "--"+f)
		}
	}
	return nil
}

// wouldClose shows the lease that close would end.
func (a *app) wouldClose(ctx context.Context, id string, json bool) error {
	_, err := a.leaseShow(ctx, id, json) // close ends also one that is not in force
	if err == nil {
		a.talk(a.c.Say("lease.close.planned", "id", id))
	}
	return err
}

// staying counts the connections that are not cut when a lease is closed; nil: that
// cannot be told, or nothing was closed, or all were cut.
func (a *app) staying(ctx context.Context, le *lease.Lease) *int {
	if le.State != lease.Closed || le.Cut {
		return nil
	}
	n, err := a.leases().Using(ctx, le)
	if err != nil {
		return nil
	}
	return &n
}

// closedSays are the sentences about what was closed.
func closedSays(le *lease.Lease, used *int) []string {
	switch {
	case le.State == lease.Withdrawn:
		return []string{"lease.withdrawn"}
	case le.Cut || used != nil && *used == 0:
		return []string{"lease.closed"}
	case used == nil:
		return []string{"lease.closed", "lease.closed.may-stay"}
	}
	return []string{"lease.closed", "lease.closed.stay"}
}

// leaseChanged prints what became of a lease, the connections that it has (nil: not
// counted), and what went wrong beside that.
func (a *app) leaseChanged(cmd *cobra.Command, le *lease.Lease, left time.Duration, used *int, s *agent.Swept, err error, json bool, id string,
	says ...string) error {
	if le.State == lease.Closed {
		s = withoutPut(s, le.ID)
	}
	swept, done := sweptWords(s), err == nil || le.State == lease.Closed || le.State == lease.Withdrawn
	var wrote error
	switch {
	case json && done:
		v := report.NewLeaseView(le, left)
		v.NotInForce, v.Connections = s.Shut(le), used
		wrote = report.LeaseJSON(a.out, v, nil, volatile(s), swept)
	case done:
		a.talkAll(slices.Concat(swept, volatile(s)))
		wrote = report.LeaseLine(a.out, le, left, used, a.plainOptions(), says...)
	default:
		a.talkAll(swept)
	}
	if err != nil {
		return a.leaseStopped(cmd.Context(), id, err)
	}
	return wrote
}

// maxEvents is how many events are shown: the last ones.
const maxEvents = 10_000

func (a *app) leaseLogCommand() *cobra.Command {
	var json bool
	cmd := &cobra.Command{
		Use: "log", Short: a.c.Say("help.lease.log"), Long: a.c.Say("help.lease.log.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.mayRead(); err != nil {
				return err
			}
			var events []lease.Event
			check, err := a.leases().Trail(cmd.Context(), func(e lease.Event) {
				if events = append(events, e); len(events) >= 2*maxEvents {
					events = append(events[:0], events[maxEvents:]...)
				}
			})
			if err != nil && !check.Blind {
				return err
			}
			if !check.Good() {
				a.exit(exitFailed)
			}
			events = events[max(0, len(events)-maxEvents):]
			write := func() error { return report.LeaseTrail(a.out, events, &check, a.plainOptions()) }
			if json {
				write = func() error { return report.LeaseTrailJSON(a.out, events, &check) }
			}
			return cmp.Or(write(), err)
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	return cmd
}

// leaseKeepCommand is what the keeper runs.
func (a *app) leaseKeepCommand() *cobra.Command {
	return &cobra.Command{
		Use: "keep", Hidden: true, Short: "keep the leases", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.leases().Keep(cmd.Context(), agent.KeeperWords{
				Ends: func(l *lease.Lease, left time.Duration) string { return report.LeaseWarning(l, left, a.clock()) },
				Held: func(l *lease.Lease, why error) string { return report.LeaseHeld(l, why, a.clock()) },
			})
		},
	}
}
