package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Story is the incident from the outage to the open shop, as the operator lives it, with what was measured. Doors are
// what a knock at Redis from outside came to, by the moment and the address family.
type Story struct {
	Before, During, Contained, After Summary
	Contain                          time.Duration // what demine itself took, from the decision on
	Doors                            map[string]string
	Verdicts                         map[string]string // of a look, by the moment
	Lost                             []string          // what belongs to the owner and is gone
	Said                             map[string]string // what demine printed, by command
}

// calm is how long customers are watched for a summary.
const calm = 20 * time.Second

// Play plays the story on a host of scenario seed that is in place. demine is the built binary. tell is told each
// step and what demine prints. The error says what did not go as it must.
func (h *Host) Play(ctx context.Context, demine string, tell func(string)) (Story, error) {
	p := &player{h: h, tell: tell, s: Story{Doors: map[string]string{}, Verdicts: map[string]string{}, Said: map[string]string{}}}
	for _, act := range []func(context.Context) error{
		func(ctx context.Context) error { return h.CopyIn(ctx, demine, "/root/demine") },
		p.outage, p.contain, p.clean, p.harden, p.reboot, p.redisRestart, p.owner, p.recovered,
	} {
		if err := act(ctx); err != nil {
			return p.s, err
		}
	}
	return p.s, nil
}

type player struct {
	h    *Host
	tell func(string)
	s    Story
	held *Held
}

// login runs a command as the operator does: over ssh, from the office, a new login each time.
func (h *Host) login(ctx context.Context, argv ...string) (Result, error) {
	return h.Outside(ctx, sshArgs(OperatorV4, "owner", append([]string{"root@" + HostV4}, argv...)...)...)
}

// demine runs it over ssh, tells what it says and wants one of the exit
// statuses.
func (p *player) demine(ctx context.Context, args string, exits ...int) (Result, error) {
	p.tell("$ demine " + args)
	r, err := p.quietly(ctx, args, exits...)
	p.s.Said[args] = r.Stdout
	p.tell(r.Stderr + r.Stdout)
	return r, err
}

func (p *player) quietly(ctx context.Context, args string, exits ...int) (Result, error) {
	r, err := p.h.login(ctx, "/root/demine "+args)
	if err != nil {
		return r, err
	}
	for _, e := range exits {
		if r.Exit == e {
			return r, nil
		}
	}
	return r, fmt.Errorf("demine %s: exit %d, want %v: %s%s", args, r.Exit, exits, r.Stdout, r.Stderr)
}

// knock tries the door from the intruder's addresses.
func (p *player) knock(ctx context.Context, when string, open bool) error {
	for family, from := range map[string]string{"v4": IntruderV4, "v6": IntruderV6} {
		to := HostV4
		if family == "v6" {
			to = HostV6
		}
		is, how, err := p.h.Knock(ctx, from, to, DoorPort)
		if err != nil {
			return err
		}
		p.s.Doors[when+" "+family] = how
		p.tell(fmt.Sprintf("knock at %s from %s, %s: %s", netip.AddrPortFrom(netip.MustParseAddr(to), DoorPort), from, when, how))
		if is != open {
			return fmt.Errorf("the door %s, %s: %s", when, family, how)
		}
	}
	return nil
}

func (p *player) summary(ctx context.Context, from, to time.Time) (Summary, error) {
	w, err := p.h.Waits(ctx)
	return w.Summary(from, to), err
}

// watch lets customers order for a while and sums up.
func (p *player) watch(ctx context.Context) (s Summary, err error) {
	if p.h.Config.NoLoad {
		return s, nil
	}
	from := time.Now()
	err = until(ctx, 4*calm, "customers' reports", func() error {
		if s, err = p.summary(ctx, from, from.Add(calm)); err != nil {
			return err
		}
		if time.Since(from) < calm+2*time.Second {
			return fmt.Errorf("%s", s)
		}
		return nil
	})
	return s, err
}

// outage: how it was before, how it is now, and what a look says.
func (p *player) outage(ctx context.Context) (err error) {
	started := p.h.Facts.Miner.Started
	if p.s.Before, err = p.summary(ctx, started.Add(-calm), started); err != nil {
		return err
	}
	p.tell("customers before the outage: " + p.s.Before.String())
	if p.s.During, err = p.watch(ctx); err != nil {
		return err
	}
	p.tell("customers now: " + p.s.During.String())
	if err := p.knock(ctx, "before", true); err != nil {
		return err
	}
	p.held, err = p.h.Hold(ctx, IntruderV4, HostV4, DoorPort)
	if err != nil {
		return err
	}
	_, err = p.demine(ctx, "", 3)
	return err
}

func (p *player) contain(ctx context.Context) error {
	if _, err := p.demine(ctx, "contain", 0); err != nil {
		return err
	}
	r, err := p.quietly(ctx, "show --json", 0)
	if err != nil {
		return err
	}
	if p.s.Contain, err = took(r.Stdout); err != nil {
		return err
	}
	p.tell(fmt.Sprintf("contained within %s of the decision", p.s.Contain))
	if err := p.knock(ctx, "contained", false); err != nil {
		return err
	}
	if err := p.cut(ctx); err != nil {
		return err
	}
	p.s.Contained, err = p.watch(ctx)
	p.tell("customers once it is contained: " + p.s.Contained.String())
	return err
}

// took adds up what the steps of a run took.
func took(text string) (time.Duration, error) {
	var r struct {
		Outcomes []struct {
			TookUS int64 `json:"took_us"`
		} `json:"outcomes"`
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return 0, fmt.Errorf("the run of contain: %w", err)
	}
	var sum int64
	for _, o := range r.Outcomes {
		sum += o.TookUS
	}
	return time.Duration(sum) * time.Microsecond, nil
}

// cut: the connection that the intruder had open is of no use any more.
func (p *player) cut(ctx context.Context) error {
	how, err := p.held.Ping(ctx)
	if err != nil {
		return err
	}
	p.s.Doors["held"] = how
	if how == "PONG" {
		return fmt.Errorf("the intruder's open connection still works")
	}
	return nil
}

// clean waits for the job's next tick by itself.
func (p *player) clean(ctx context.Context) error {
	_, err := p.demine(ctx, "clean --yes", 0)
	if err != nil {
		return err
	}
	return p.verdict(ctx, "cleaned")
}

// verdict wants a look to find no attack any more.
func (p *player) verdict(ctx context.Context, when string) error {
	r, err := p.quietly(ctx, "--json", 0, 3, 4)
	if err != nil {
		return err
	}
	var s struct {
		Verdict  string `json:"verdict"`
		Findings []struct{ Rule, Class, Subject string }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		return err
	}
	p.s.Verdicts[when] = s.Verdict
	p.tell("a look, " + when + ": " + s.Verdict)
	for _, f := range s.Findings {
		if f.Class == "attack" {
			return fmt.Errorf("%s, a look still finds %s (%s)", when, f.Rule, f.Subject)
		}
	}
	return nil
}

// harden, and confirm it from a new login.
func (p *player) harden(ctx context.Context) error {
	if _, err := p.demine(ctx, "harden --yes", 0); err != nil {
		return err
	}
	if _, err := p.demine(ctx, "keep", 0); err != nil {
		return err
	}
	if err := p.knock(ctx, "hardened", false); err != nil {
		return err
	}
	return p.verdict(ctx, "hardened")
}

// reboot: what holds only in memory is gone now, the door too; what was persisted holds.
func (p *player) reboot(ctx context.Context) error {
	if err := p.h.Reboot(ctx); err != nil {
		return err
	}
	if err := p.knock(ctx, "rebooted", false); err != nil {
		return err
	}
	return p.verdict(ctx, "rebooted")
}

// redisRestart: Redis saves and is started again, and nothing comes back.
func (p *player) redisRestart(ctx context.Context) error {
	if _, err := p.h.sh(ctx, "redis-cli -p 6380 SAVE && systemctl restart redis-6380"); err != nil {
		return fmt.Errorf("restart Redis: %w", err)
	}
	if err := until(ctx, 20*time.Second, "Redis to save", func() error {
		out, err := p.h.sh(ctx, "redis-cli -p 6380 SAVE")
		if err == nil && !strings.Contains(out, "OK") {
			err = fmt.Errorf("it says %q", out)
		}
		return err
	}); err != nil {
		return err
	}
	return p.verdict(ctx, "Redis restarted")
}

// owner looks for what is the owner's.
func (p *player) owner(ctx context.Context) error {
	for what, script := range map[string]string{
		"the owner's key":  "ssh-keygen -lf " + keysFile + " | grep -qF " + p.h.Facts.OwnerKey,
		"the dump":         "test -s " + p.h.Facts.Redis.Dir + "/" + p.h.Facts.Redis.DumpFile,
		"the stock":        "redis-cli -p 6380 GET stock:1001 | grep -q '^[0-9]'",
		"the item":         "redis-cli -p 6380 HGET item:1001 price | grep -qx 99",
		"the site's jobs":  "ls /etc/cron.d | grep -q .",
		"the orders":       "mariadb -N -e 'SELECT COUNT(*) > 0 FROM shop.orders' | grep -qx 1",
		"the deploy job":   "grep -rq deploy.sh /etc/cron.d /etc/crontab /var/spool/cron",
		"the rc.local":     "grep -q 'warm the page cache' /etc/rc.local",
		"no planted key":   "! grep -qa root@vps " + keysFile,
		"no planted value": "! redis-cli -p 6380 KEYS '*' | grep -q backup",
	} {
		r, err := p.h.Run(ctx, "sh", "-c", script)
		if err != nil {
			return err
		}
		if r.Exit != 0 {
			p.s.Lost = append(p.s.Lost, what)
		}
	}
	if p.s.Lost != nil {
		return fmt.Errorf("not there any more: %s", strings.Join(p.s.Lost, ", "))
	}
	return nil
}

// recovered: customers wait no longer than before.
func (p *player) recovered(ctx context.Context) (err error) {
	p.s.After, err = p.watch(ctx)
	p.tell("customers before:    " + p.s.Before.String())
	p.tell("customers during:    " + p.s.During.String())
	p.tell("customers contained: " + p.s.Contained.String())
	p.tell("customers after:     " + p.s.After.String())
	return err
}
