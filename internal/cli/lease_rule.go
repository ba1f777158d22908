package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/relate"
	"demine/internal/report"
	"demine/internal/respond"
)

// isRule reports whether a name is that of a rule of the packet filter.
func isRule(name string) bool { return strings.HasPrefix(name, "O-") }

// leaseAuditCommand lists who lets whom in, by which rule, since when, and
// whether anybody answers for it.
func (a *app) leaseAuditCommand() *cobra.Command {
	var json bool
	var from string
	cmd := &cobra.Command{
		Use: "audit", Short: a.c.Say("help.lease.audit"), Long: a.c.Say("help.lease.audit.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.see(cmd.Context(), from, false)
			if err != nil {
				return err
			}
			found := func(o relate.OpenRule) bool { return s.Found(&o) != nil }
			switch {
			case slices.ContainsFunc(s.Openings, found) || len(s.SavedLeases()) > 0:
				a.exit(exitFound)
			case incomplete(s, "socket", "firewall", "process"):
				a.exit(exitIncomplete)
			}
			if json {
				return report.OpeningsJSON(a.out, s)
			}
			return report.Openings(a.out, s, a.options())
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().StringVar(&from, "from", "", a.c.Say("help.flag.from"))
	a.probeFlag(cmd)
	return cmd
}

// closeRule takes a rule of the packet filter out, in force and where it is
// saved, as harden does.
func (a *app) closeRule(ctx context.Context, id string, f *changeFlags) error {
	r, err := a.planRule(ctx, "close", id, f.revert)
	if err != nil {
		return err
	}
	if r.twins != nil {
		a.talk(a.c.Say("openrule.twins", "rules", r.twins))
	}
	if len(r.plan.Steps) == 0 {
		a.exit(exitFailed)
	}
	f.noWait = true
	return a.propose(ctx, r.agent, r.plan, nil, f)
}

// plannedRule is a rule that is to be taken out, and how.
type plannedRule struct {
	agent *agent.Agent
	plan  respond.Plan
	rule  *relate.OpenRule
	twins []string // rules by which the port stays open
}

func (a *app) planRule(ctx context.Context, command, id string, revert time.Duration) (plannedRule, error) {
	ag, err := a.agent()
	if err != nil {
		return plannedRule{}, err
	}
	t := a.comment()
	t.begin()
	p, s, err := ag.Plan(ctx, respond.Request{Kind: respond.KindHarden, Command: "lease " + command + " " + id,
		Rules: []string{id}, Revert: revert}, t.event)
	t.end()
	if err != nil {
		return plannedRule{}, a.stopped(ctx, err)
	}
	for i := range s.Openings {
		if o := &s.Openings[i]; o.ID == id {
			return plannedRule{ag, p, o, o.Twins(s.Openings)}, nil
		}
	}
	return plannedRule{}, failed("cli.rule-none", "id", id)
}

const adoptExample = ` --for 8h --who order-team --why "ticket 812"`

// leaseAdoptCommand turns a rule into a lease.
func (a *app) leaseAdoptCommand() *cobra.Command {
	f := &leaseFlags{example: "demine lease adopt O-1a2b3c4d" + adoptExample}
	var yes bool
	cmd := &cobra.Command{
		Use: "adopt RULE", Short: a.c.Say("help.lease.adopt"), Long: a.c.Say("help.lease.adopt.long"), Args: oneArg,
		ValidArgsFunction: a.ruleNames(cobra.NoFileCompletions, leasable),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && isRule(args[0]) {
				f.example = "demine lease adopt " + shellWord(args[0]) + adoptExample
			}
			err := needed(f.example, need{len(args) > 0, "cli.need.rule"}, need{!blank(f.who), "cli.need.who"}, need{!blank(f.why), "cli.need.why"})
			if err == nil && !isRule(args[0]) {
				err = misused(f.example, "cli.adopt-how")
			}
			if err != nil {
				return err
			}
			return a.adopt(cmd.Context(), args[0], f, yes)
		},
	}
	a.leaseFlags(cmd, f)
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, a.c.Say("help.flag.lease-dry-run"))
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, a.c.Say("help.flag.yes"))
	return cmd
}

func (a *app) adopt(ctx context.Context, id string, f *leaseFlags, yes bool) error {
	r, err := a.planRule(ctx, "adopt", id, 0)
	if err != nil {
		return err
	}
	q, err := f.adoptAsk(r.rule)
	if err != nil {
		return err
	}
	q.NoProbe = a.noProbe
	if len(r.plan.Steps) == 0 {
		a.exit(exitFailed)
		return report.Plan(a.out, &r.plan, a.options())
	}
	would, err := r.agent.Adoptable(ctx, r.rule, q)
	switch {
	case err != nil || f.json && f.dryRun:
		return a.leaseAnswer(ctx, "", would, err, f.json)
	case !f.json:
		a.talkAll(sweptWords(&would.Swept))
		if err := report.Adoption(a.out, r.rule, r.twins, &would.Plan, a.options()); err != nil {
			return err
		}
		if f.dryRun {
			a.talk(a.c.Say("openrule.adopt.planned", "id", id))
			return nil
		}
	}
	switch {
	case !yes && f.json:
		return misused(a.again("--yes"), "cli.no-consent-json")
	case !yes:
		if agreed, err := a.consent(); err != nil || !agreed {
			return err
		}
	}
	out, run, err := r.agent.Adopt(ctx, r.plan, r.rule, q, a.steps())
	if err != nil && out.Lease == nil {
		return a.notAdopted(ctx, &run, err)
	}
	if err := a.leaseAnswer(ctx, id, out, nil, f.json); err != nil {
		return err
	}
	if err != nil { // the lease is open; the rule may come back
		a.exit(exitPartly)
		a.talk(a.c.Say("cli.adopt-partly", "rule", id, "run", run.ID))
	}
	return nil
}

// notAdopted says why there is no lease, and whether the rule is back.
func (a *app) notAdopted(ctx context.Context, run *respond.Run, err error) error {
	if run.State == respond.RunUndone {
		a.talk(a.c.Say("cli.adopt-back"))
	}
	var refusal *respond.Refusal
	if errors.As(err, &refusal) {
		return &failure{refusal.Message}
	}
	return a.leaseStopped(ctx, "", err)
}

// adoptAsk is a lease for what a rule lets in, or for fewer.
func (f *leaseFlags) adoptAsk(o *relate.OpenRule) (agent.LeaseAsk, error) {
	port, proto, ok := o.OnePort()
	if !ok {
		return agent.LeaseAsk{}, failed("cli.adopt-port", "rule", o.Text, "id", o.ID)
	}
	switch {
	case o.Inverted:
		return agent.LeaseAsk{}, failed("cli.adopt-inverted", "rule", o.Text, "id", o.ID)
	case o.Narrow && len(f.from) == 0:
		return agent.LeaseAsk{}, misused("demine lease adopt "+o.ID+adoptExample+" --from 203.0.113.7", "cli.adopt-narrow", "rule", o.Text)
	}
	if len(f.from) == 0 {
		for _, p := range o.Sources {
			f.from = append(f.from, p.String())
		}
		if o.Everyone && f.anyone {
			f.from = everyone(o.Family)
		}
	}
	if len(f.from) == 0 {
		return agent.LeaseAsk{}, misused("demine lease adopt "+o.ID+adoptExample+" --from 203.0.113.7", "cli.adopt-from", "rule", o.Text)
	}
	return f.ask([]string{port + "/" + proto})
}

func everyone(family string) []string {
	switch family {
	case "ip":
		return []string{"0.0.0.0/0"}
	case "ip6":
		return []string{"::/0"}
	}
	return []string{"0.0.0.0/0", "::/0"}
}
