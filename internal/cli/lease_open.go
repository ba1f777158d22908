package cli

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/i18n"
	"demine/internal/lease"
	"demine/internal/relate"
	"demine/internal/report"
	"demine/internal/respond"
)

// leaseFlags are those of open and request.
type leaseFlags struct {
	from                     []string
	howLong, who, why        string
	anyone, long, bare, drop bool
	dryRun, json             bool
	example                  string // of the command
}

const leaseExample = ` 6380/tcp --from 203.0.113.7 --for 8h --who order-team --why "ticket 812"`

func (a *app) leaseOpenCommand() *cobra.Command {
	f := &leaseFlags{example: "demine lease open" + leaseExample}
	cmd := &cobra.Command{
		Use: "open PORT[/PROTO]", Short: a.c.Say("help.lease.open"), Long: a.c.Say("help.lease.open.long"), Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return a.leaseOpen(cmd.Context(), args, f) },
	}
	a.leaseFlags(cmd, f)
	cmd.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, a.c.Say("help.flag.lease-dry-run"))
	return cmd
}

func (a *app) leaseRequestCommand() *cobra.Command {
	f := &leaseFlags{example: "demine lease request" + leaseExample}
	cmd := &cobra.Command{
		Use: "request PORT[/PROTO]", Short: a.c.Say("help.lease.request"), Long: a.c.Say("help.lease.request.long"), Args: oneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return a.leaseRequest(cmd.Context(), args, f) },
	}
	a.leaseFlags(cmd, f)
	return cmd
}

func (a *app) leaseFlags(cmd *cobra.Command, f *leaseFlags) {
	s := cmd.Flags()
	s.StringSliceVar(&f.from, "from", nil, a.c.Say("help.flag.lease-from"))
	s.StringVar(&f.howLong, "for", "1h", a.c.Say("help.flag.lease-for"))
	s.StringVar(&f.who, "who", "", a.c.Say("help.flag.lease-who", "most", lease.MaxText))
	s.StringVar(&f.why, "why", "", a.c.Say("help.flag.lease-why", "most", lease.MaxText))
	s.BoolVar(&f.drop, "drop-established", false, a.c.Say("help.flag.drop-established"))
	s.BoolVar(&f.anyone, "anyone", false, a.c.Say("help.flag.anyone"))
	s.BoolVar(&f.long, "long", false, a.c.Say("help.flag.long"))
	s.BoolVar(&f.bare, "without-password", false, a.c.Say("help.flag.without-password"))
	s.BoolVar(&f.json, "json", false, a.c.Say("help.flag.json"))
	a.probeFlag(cmd)
	if err := s.SetAnnotation("from", placeholderNote, []string{"ADDR"}); err != nil {
		panic("cli: " + err.Error()) // no such flag
	}
}

// ask reads what was typed. What no host could grant is wrong usage; what this host
// cannot grant shows only the look.
func (f *leaseFlags) ask(args []string) (q agent.LeaseAsk, err error) {
	err = needed(f.example, need{len(args) > 0, "cli.need.port"}, need{len(f.from) > 0, "cli.need.from"},
		need{!blank(f.who), "cli.need.who"}, need{!blank(f.why), "cli.need.why"})
	if err != nil {
		return q, err
	}
	q.DryRun = f.dryRun
	q.Ask = lease.Ask{Who: f.who, Why: f.why, Anyone: f.anyone, Long: f.long, Bare: f.bare, Cut: f.drop}
	if q.Port, q.Proto, err = leasePort(args[0], f.example); err != nil {
		return q, err
	}
	var ok bool
	if q.For, ok = leaseTime(f.howLong); !ok {
		return q, misused(f.example, "cli.lease-for", "value", f.howLong)
	}
	for _, s := range f.from {
		if s == "me" {
			q.Me = true
			continue
		}
		p, err := prefix(s, f.example)
		if err != nil {
			return q, err
		}
		q.From = append(q.From, p)
	}
	return q, f.within(q)
}

// someone stands for who is connected, where only limits are asked for (RFC 5737).
var someone = netip.MustParsePrefix("192.0.2.1/32")

// within refuses what is over the limits of every lease.
func (f *leaseFlags) within(q agent.LeaseAsk) error {
	if q.Me {
		q.From = append(slices.Clone(q.From), someone)
	}
	_, err := lease.Check(q.Ask)
	var r *respond.Refusal
	if errors.As(err, &r) {
		return &usage{&failure{r.Message}, f.example}
	}
	return err
}

// need is something that has to be given.
type need struct {
	given bool
	what  string // id of its words
}

// needed names what was not given.
func needed(hint string, needs ...need) error {
	var missing []i18n.Message
	for _, n := range needs {
		if !n.given {
			missing = append(missing, i18n.M(n.what))
		}
	}
	if missing == nil {
		return nil
	}
	return misused(hint, "cli.needed", "what", missing)
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

func leasePort(s, example string) (port int, proto string, err error) {
	number, proto, given := strings.Cut(s, "/")
	if !given {
		proto = "tcp"
	}
	port, err = strconv.Atoi(number)
	usual, named := relate.NamedPort(number)
	switch {
	case named:
		return 0, "", misused(example, "cli.lease-port-named", "value", s, "name", number, "port", usual)
	case err != nil:
		return 0, "", misused(example, "cli.lease-port", "value", s)
	case proto != "tcp" && proto != "udp":
		return 0, "", misused(example, "refuse.lease.proto", "value", proto)
	case port < 1 || port > 65535:
		return 0, "", misused(example, "refuse.lease.port", "value", port)
	}
	return port, proto, nil
}

// cutDays reads 2d.
func cutDays(s string) (time.Duration, bool) {
	days, ok := strings.CutSuffix(s, "d")
	n, err := strconv.Atoi(days)
	return time.Duration(n) * 24 * time.Hour, ok && err == nil && n > 0 && n <= 366
}

func (a *app) leaseOpen(ctx context.Context, args []string, f *leaseFlags) error {
	q, err := f.ask(args)
	if err != nil {
		return err
	}
	q.NoProbe = a.noProbe
	out, err := a.leases().Open(ctx, q)
	return a.leaseAnswer(ctx, "", out, err, f.json)
}

// leaseAnswer prints what became of an opening.
func (a *app) leaseAnswer(ctx context.Context, id string, out agent.LeaseAnswer, err error, json bool) error {
	swept := sweptWords(&out.Swept)
	if err != nil {
		a.talkAll(swept)
		return a.leaseStopped(ctx, id, err)
	}
	le, left := out.Lease, time.Duration(0)
	if le == nil {
		le = &lease.Lease{Ask: out.Plan.Ask, State: "planned", Service: out.Plan.Service, Container: out.Plan.Container}
	} else {
		left = le.For
	}
	if json {
		notes := slices.Concat(out.Plan.Notes, volatile(&out.Swept))
		return report.LeaseJSON(a.out, report.NewLeaseView(le, left), out.Plan.Doorways, notes, swept)
	}
	a.talkAll(slices.Concat(swept, volatile(&out.Swept)))
	if out.Lease == nil {
		return report.LeasePlanned(a.out, &out.Plan, a.plainOptions())
	}
	return report.LeaseOpened(a.out, &out.Plan, le, left, a.plainOptions())
}

func (a *app) leaseRequest(ctx context.Context, args []string, f *leaseFlags) error {
	q, err := f.ask(args)
	if err != nil {
		return err
	}
	q.NoProbe = a.noProbe
	leases := a.leases()
	out, err := leases.Request(ctx, q)
	if err != nil {
		return a.leaseStopped(ctx, "", err)
	}
	notes := volatile(&out.Swept)
	if f.json {
		return report.LeaseJSON(a.out, report.NewRequestView(out.Lease, leases.Host()), nil, notes, nil)
	}
	a.talkAll(notes)
	return report.LeaseLine(a.out, out.Lease, 0, nil, a.plainOptions(), "lease.requested", "lease.requested.next")
}
