package cli

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/report"
)

// leaseCommand opens ports for a time, and tells of those that are open.
func (a *app) leaseCommand() *cobra.Command {
	var json bool // as of ls
	cmd := &cobra.Command{
		Use: "lease [COMMAND]", Short: a.c.Say("help.lease"), Long: a.c.Say("help.lease.long"), Args: a.noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.leaseList(cmd.Context(), json) },
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	cmd.AddCommand(a.leaseOpenCommand(), a.leaseListCommand(), a.leaseShowCommand(), a.leaseExtendCommand(), a.leaseCloseCommand(),
		a.leaseAuditCommand(), a.leaseAdoptCommand(),
		a.leaseRequestCommand(), a.leaseApproveCommand(), a.leaseLogCommand(), a.leaseKeepCommand())
	for _, c := range cmd.Commands() {
		if c.Name() == "audit" {
			withoutFiles(c, "from") // a look that was stored
		} else {
			withoutFiles(c)
		}
	}
	return cmd
}

// leases are those of this host.
func (a *app) leases() *agent.Leases {
	return agent.NewLeases(host.Live(), a.log, agent.Settings{State: a.state, Version: Version, Lang: a.c.Lang()})
}

func (a *app) leaseListCommand() *cobra.Command {
	var json bool
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: a.c.Say("help.lease.ls"), Long: a.c.Say("help.lease.ls.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.leaseList(cmd.Context(), json) },
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	return cmd
}

func (a *app) leaseList(ctx context.Context, json bool) error {
	if err := a.mayRead(); err != nil {
		return err
	}
	l, err := a.leases().List(ctx)
	if err != nil {
		return a.leaseStopped(ctx, "", err)
	}
	return a.showLeases(&l, json)
}

// mayRead refuses whoever cannot read the leases: neither list nor trail is for others.
func (a *app) mayRead() error {
	if a.asRoot {
		return nil
	}
	return failed("cli.lease-read-root")
}

func (a *app) showLeases(l *agent.LeaseList, json bool) error {
	if len(l.Swept.Trouble) > 0 {
		a.exit(exitPartly)
	}
	out := shownList(l)
	if json {
		return report.LeasesJSON(a.out, out)
	}
	a.talkAll(out.Swept)
	return report.Leases(a.out, out, a.plainOptions())
}

func shownList(l *agent.LeaseList) *report.LeaseList {
	return &report.LeaseList{Leases: l.Leases, Clock: l.Clock, Shut: shutLeases(l), Kept: l.Kept, Used: l.Used, Unused: l.Unused,
		Saved: l.Saved, Swept: sweptWords(&l.Swept)}
}

// shutLeases are the open leases of a list that let nobody in, by name.
func shutLeases(l *agent.LeaseList) map[string]bool {
	shut := map[string]bool{}
	for i := range l.Leases {
		shut[l.Leases[i].ID] = l.Swept.Shut(&l.Leases[i])
	}
	return shut
}

// withoutPut is what was found but why a lease was not put back: where it was ended
// since, or is told with that reason.
func withoutPut(s *agent.Swept, id string) *agent.Swept {
	out := *s
	out.Trouble = slices.DeleteFunc(slices.Clone(s.Trouble), func(t agent.Trouble) bool { return t.ID == id && t.Doing == lease.DidPut })
	return &out
}

// sweptWords say what was found to be other than the records say.
func sweptWords(s *agent.Swept) []i18n.Message {
	var out []i18n.Message
	for _, name := range s.Damaged {
		out = append(out, i18n.M("lease.swept.damaged", "file", name))
	}
	for i := range s.Over {
		out = append(out, report.LeaseOver(&s.Over[i].Lease, s.Over[i].Why))
	}
	for _, g := range s.Gone {
		out = append(out, report.LeaseGone(g))
	}
	if len(s.Back) > 0 {
		out = append(out, i18n.M("lease.swept.back", "ids", s.Back))
	}
	for _, t := range s.Trouble {
		out = append(out, report.LeaseTrouble(t.ID, t.Err))
	}
	return out
}

// volatile is what one has to know of where it was written down.
func volatile(s *agent.Swept) []i18n.Message {
	if s.Volatile.ID == "" {
		return nil
	}
	return []i18n.Message{s.Volatile}
}

func (a *app) talkAll(ms []i18n.Message) {
	for _, m := range ms {
		a.talk(a.clock().Text(m))
	}
}

// plainOptions are options without the texts of rules, which no lease needs and
// which take longer to load than a lease to open.
func (a *app) plainOptions() report.Options {
	told := a.told
	a.told = true
	defer func() { a.told = told }()
	return a.options()
}

// leaseStopped tells why nothing was done.
func (a *app) leaseStopped(ctx context.Context, id string, err error) error {
	if errors.Is(err, agent.ErrNoLease) {
		return failed("cli.lease-none", "id", id)
	}
	return a.stopped(ctx, err)
}

// leaseTime is how long something lasts, with days as d.
func leaseTime(s string) (time.Duration, bool) {
	d, err := time.ParseDuration(s)
	if days, ok := cutDays(s); ok {
		return days, true
	}
	return d, err == nil && d > 0
}

// leaseID is the one name that a command is about.
func leaseID(cmd *cobra.Command, args []string) (string, error) {
	if len(args) != 1 {
		return "", misused(cmd.CommandPath()+" --help", "cli.lease-id")
	}
	id, ok := lease.Named(args[0])
	if !ok {
		return "", misused("demine lease ls", "cli.lease-no-id", "value", args[0], "letters", lease.Letters)
	}
	return id, nil
}
