package cli

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/host"
	"demine/internal/i18n"
	"demine/internal/report"
	"demine/internal/respond"
	"demine/internal/store"
)

// changeFlags are those of the commands that change the host.
type changeFlags struct {
	json, dryRun, yes, noWait bool
	incidents, findings, keep []string
	revert, wire              time.Duration

	password, lockKeys bool
	bind, clients      []string
	port               int
}

// changeCommand is contain, clean or harden.
func (a *app) changeCommand(kind string) *cobra.Command {
	f := &changeFlags{}
	cmd := &cobra.Command{
		Use: kind, Short: a.c.Say("help." + kind), Long: a.c.Say("help." + kind + ".long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.change(cmd.Context(), kind, f) },
	}
	s := cmd.Flags()
	s.BoolVar(&f.json, "json", false, a.c.Say("help.flag.json"))
	s.BoolVarP(&f.dryRun, "dry-run", "n", false, a.c.Say("help.flag.dry-run"))
	if kind != respond.KindHarden {
		s.StringSliceVar(&f.keep, "keep", nil, a.c.Say("help.flag.keep"))
		s.StringSliceVar(&f.incidents, "incident", nil, a.c.Say("help.flag.incident"))
		a.wireFlag(cmd, &f.wire)
	}
	if kind == respond.KindContain {
		return cmd
	}
	s.BoolVarP(&f.yes, "yes", "y", false, a.c.Say("help.flag.yes"))
	s.StringSliceVar(&f.findings, "finding", nil, a.c.Say("help.flag.finding"))
	if kind == respond.KindClean {
		s.BoolVar(&f.noWait, "no-wait", false, a.c.Say("help.flag.no-wait"))
		return cmd
	}
	s.DurationVar(&f.revert, "revert", respond.DefaultRevert, a.c.Say("help.flag.revert"))
	s.BoolVar(&f.password, "redis-password", false, a.c.Say("help.flag.redis-password"))
	s.StringSliceVar(&f.bind, "redis-bind", nil, a.c.Say("help.flag.redis-bind"))
	s.IntVar(&f.port, "redis-port", 0, a.c.Say("help.flag.redis-port"))
	s.BoolVar(&f.lockKeys, "lock-keys", false, a.c.Say("help.flag.lock-keys"))
	s.StringSliceVar(&f.clients, "client-config", nil, a.c.Say("help.flag.client-config"))
	return cmd
}

func (f *changeFlags) request(kind string) (respond.Request, error) {
	r := respond.Request{
		Kind: kind, Incidents: f.incidents, Findings: f.findings, Revert: f.revert, Wire: f.wire,
		RedisPassword: f.password, RedisBind: f.bind, RedisPort: f.port, LockKeys: f.lockKeys,
	}
	for _, k := range f.keep {
		p, err := prefix(k, "demine "+kind+" --keep 192.0.2.7")
		if err != nil {
			return r, err
		}
		r.Keep = append(r.Keep, p)
	}
	for _, c := range f.clients {
		r.ClientConfig = append(r.ClientConfig, fact.Path(c))
	}
	if f.port < 0 || f.port > 65535 {
		return r, misused("demine harden --redis-port 16380", "cli.bad-port", "value", f.port)
	}
	return r, checkWire(kind, f.wire)
}

// prefix reads an address or a network. What may be meant as either is neither: hint
// is what to type.
func prefix(s, hint string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, misused(hint, "cli.bad-address", "value", s)
	case p != p.Masked():
		return p, misused(hint, "cli.address-or-network", "value", s, "addr", p.Addr().String(), "net", p.Masked().String())
	}
	return p, nil
}

// agent is this host, to be changed.
func (a *app) agent() (*agent.Agent, error) {
	ag, err := agent.New(host.Live(), a.log)
	if err != nil {
		return nil, err
	}
	return ag.With(agent.Settings{State: a.state, Version: Version}), nil
}

// change looks, shows the plan, asks, applies it, and looks again.
func (a *app) change(ctx context.Context, kind string, f *changeFlags) error {
	r, err := f.request(kind)
	if err != nil {
		return err
	}
	ag, err := a.agent()
	if err != nil {
		return err
	}
	t := a.comment()
	t.begin()
	p, s, err := ag.Plan(ctx, r, t.event)
	t.end()
	if err != nil {
		return a.stopped(ctx, err)
	}
	if id := notThere(s, r); id != "" {
		return failed("cli.no-such", "id", id)
	}
	return a.propose(ctx, ag, p, s, f)
}

// notThere gives an incident or finding that was asked for and is not in the
// look: a slip of the pen must not read as "nothing to do".
func notThere(s *explain.Scan, r respond.Request) string {
	there := map[string]bool{}
	for i := range s.Incidents {
		there[s.Incidents[i].ID] = true
	}
	for i := range s.Findings {
		there[s.Findings[i].ID] = true
	}
	for _, id := range append(slices.Clone(r.Incidents), r.Findings...) {
		if !there[id] {
			return id
		}
	}
	return ""
}

// propose shows a plan and applies it if the operator agrees. s is the Scan
// that it is made of; nil for a stored plan.
func (a *app) propose(ctx context.Context, ag *agent.Agent, p respond.Plan, s *explain.Scan, f *changeFlags) error {
	if f.json && f.dryRun {
		return report.PlanJSON(a.out, &p)
	}
	contain := p.Kind == respond.KindContain
	if !f.json && (!contain || f.dryRun || len(p.Steps) == 0) {
		if err := report.Plan(a.out, &p, a.options()); err != nil {
			return err
		}
	}
	if f.dryRun || len(p.Steps) == 0 {
		if contain && !f.dryRun && kept(&p) {
			a.exit(exitFailed)
		}
		if !contain && !f.dryRun && a.asRoot {
			if err := ag.Settle(ctx); errors.Is(err, store.ErrBusy) {
				return a.stopped(ctx, err)
			} else if err != nil {
				a.log.Warn("what an earlier run left", "error", err)
			}
		}
		if f.json {
			return report.PlanJSON(a.out, &p)
		}
		return nil
	}
	if !contain && !f.yes {
		if f.json {
			return misused(a.again("--yes"), "cli.no-consent-json")
		}
		if agreed, err := a.consent(); err != nil || !agreed {
			return err
		}
	}
	return a.apply(ctx, ag, p, s, f)
}

// kept: a guard or the host itself kept contain from something. Nobody sees its
// plan before, so its exit status tells.
func kept(p *respond.Plan) bool {
	return slices.ContainsFunc(p.Left, func(m i18n.Message) bool {
		return strings.HasPrefix(m.ID, "refuse.") || m.ID == "left.cannot-look" || m.ID == "left.with"
	})
}

// consent asks once, for the whole plan.
func (a *app) consent() (bool, error) {
	if !a.terminal(a.in) {
		return false, misused(a.again("--yes"), "cli.no-consent")
	}
	answer := strings.ToLower(a.ask("cli.consent"))
	if answer == "y" || answer == "yes" {
		return true, nil
	}
	a.talk(a.c.Say("cli.not-changed"))
	return false, nil
}

func (a *app) apply(ctx context.Context, ag *agent.Agent, p respond.Plan, before *explain.Scan, f *changeFlags) error {
	if before != nil && len(before.Incidents) > 0 && p.Kind != respond.KindContain {
		if err := ag.Remember(before); err != nil {
			a.log.Warn("keep the look for reports", "error", err)
		}
	}
	run, err := ag.Apply(ctx, p, a.steps())
	if run.ID == "" {
		return a.stopped(ctx, err)
	}
	a.exit(exitOfRun(ctx, err))
	if err == nil && p.Kind == respond.KindContain && kept(&p) {
		a.exit(exitPartly)
	}
	if f.json {
		err := errors.Join(unknownError(err), report.RunJSON(a.out, &run))
		if err == nil && p.Kind == respond.KindClean && ctx.Err() == nil {
			_, err = a.lookAgain(ctx, ag, f.wire)
		}
		return err
	}
	if rerr := report.Run(a.out, &run, a.options()); rerr != nil {
		return rerr
	}
	if err := unknownError(err); err != nil {
		return err
	}
	if p.Kind == respond.KindContain || ctx.Err() != nil {
		return nil
	}
	return a.after(ctx, ag, before, f.noWait || p.Kind != respond.KindClean, f.wire)
}

// steps tells each step on stderr as it is done.
func (a *app) steps() func(agent.Event) {
	return func(e agent.Event) {
		if e.Step != nil && (e.Step.Outcome != nil || a.terminal(a.err)) {
			a.line(report.Progress(*e.Step, a.optionsFor(a.err)))
		}
		if e.Kind == "note" {
			a.talk(a.c.Text(e.Note))
		}
	}
}

// after looks again, says what remains, and waits for the next tick of the
// job that was removed.
func (a *app) after(ctx context.Context, ag *agent.Agent, before *explain.Scan, noWait bool, wire time.Duration) error {
	now, err := a.lookAgain(ctx, ag, wire)
	if err != nil {
		return err
	}
	if err := report.Remains(a.out, before, now, a.options()); err != nil || noWait || before == nil {
		return err
	}
	tick := agent.NextTick(before, a.now())
	if tick.IsZero() {
		return nil
	}
	a.talk(a.clock().Say("cli.awaiting", "until", tick))
	back, err := ag.Await(ctx, tick, func(agent.Event) {})
	switch {
	case ctx.Err() != nil:
		a.talk(a.clock().Say("cli.await-stopped", "until", tick))
		return nil
	case err != nil:
		return err
	case back != nil:
		a.code = exitFound
		a.talk(a.c.Say("cli.came-back"))
		return report.Text(a.out, back, a.options())
	}
	a.talk(a.clock().Say("cli.stayed-away", "until", tick))
	return nil
}

// lookAgain looks after a change; a miner that still runs is the exit status.
func (a *app) lookAgain(ctx context.Context, ag *agent.Agent, wire time.Duration) (*explain.Scan, error) {
	now, err := ag.Look(ctx, agent.Want{Wire: wire}, func(agent.Event) {})
	switch {
	case ctx.Err() != nil:
		a.code = exitInterrupted
		return now, failed("cli.interrupted-after")
	case err != nil:
		return now, err
	case a.code == exitNothing && now.Verdict == explain.Mining:
		a.exit(exitFound)
	}
	return now, nil
}

// clock is the catalogue by the host's clock.
func (a *app) clock() *i18n.Catalogue { return a.c.At(a.now()) }

// stopped tells why nothing was done.
func (a *app) stopped(ctx context.Context, err error) error {
	var refusal *respond.Refusal
	var changed *respond.Changed
	var busy *store.Busy
	switch {
	case ctx.Err() != nil:
		a.code = exitInterrupted
		return failed("cli.interrupted-unchanged")
	case errors.Is(err, respond.ErrStale), errors.Is(err, respond.ErrDrifted):
		a.talk(a.c.Say("cli.error", "error", a.c.Say("cli.stale")))
		if errors.As(err, &changed) {
			a.talk(a.c.Text(changed.Message))
		}
		a.exit(exitStale)
		return nil
	case errors.Is(err, agent.ErrNotRoot):
		return failed("cli.not-root")
	case errors.As(err, &busy):
		return &failure{busy.Message()}
	case errors.Is(err, agent.ErrNoRun):
		return failed("cli.no-run")
	case errors.As(err, &refusal):
		return &failure{refusal.Message}
	}
	return err
}

// exitOfRun gives the exit status of an application.
func exitOfRun(ctx context.Context, err error) int {
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case err == nil:
		return exitNothing
	case errors.Is(err, respond.ErrStale), errors.Is(err, respond.ErrDrifted):
		return exitStale
	case errors.Is(err, respond.ErrPartly):
		return exitPartly
	case errors.Is(err, respond.ErrRolledBack):
		return exitRolledBack
	}
	return exitFailed
}

// unknownError drops the errors that the exit status and the run tell.
func unknownError(err error) error {
	for _, e := range []error{respond.ErrStale, respond.ErrDrifted, respond.ErrPartly, respond.ErrRolledBack, context.Canceled} {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}
