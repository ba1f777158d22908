package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"demine/internal/fact"
)

// Kinds of Indicator.
const (
	IndicatorFile    = "file"    // where an implant lies
	IndicatorURL     = "url"     // what is fetched, or mined for
	IndicatorAddress = "address" // who is connected to, or came from
	IndicatorPool    = "pool"    // host:port in the arguments of a miner
	IndicatorWallet  = "wallet"
	IndicatorKey     = "key"    // fingerprint
	IndicatorSHA256  = "sha256" // of a program; only who holds the file knows it
)

// Indicator is one thing by which the same intruder can be recognised on other
// hosts.
type Indicator struct {
	Kind   string       `json:"kind"`
	Value  string       `json:"value"`
	Origin *fact.Origin `json:"origin,omitempty"`
}

// Indicators gives those of all incidents, sorted, each once. With the
// snapshot in the Scan it finds more.
func Indicators(s *Scan) []Indicator {
	c := &collector{of: map[fact.Ref]bool{}, miners: map[fact.Ref]bool{}, found: []Indicator{}}
	for i := range s.Incidents {
		c.incident(&s.Incidents[i])
	}
	for i := range s.Findings { // the subjects of what incidents consist of
		if f := &s.Findings[i]; f.Class == "attack" {
			c.of[f.Subject] = true
		}
	}
	if s.Snapshot != nil {
		c.snapshot(s.Snapshot)
	}
	slices.SortStableFunc(c.found, func(a, b Indicator) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Value, b.Value))
	})
	return slices.CompactFunc(c.found, func(a, b Indicator) bool { return a.Kind == b.Kind && a.Value == b.Value })
}

type collector struct {
	of, miners map[fact.Ref]bool
	found      []Indicator
}

func (c *collector) add(kind, value string, o *fact.Origin) {
	if value != "" {
		c.found = append(c.found, Indicator{kind, value, o})
	}
}

func (c *collector) incident(in *Incident) {
	for i := range in.Implants {
		im := &in.Implants[i]
		c.of[im.Ref] = true
		for _, m := range append([]fact.Ref{im.Ref}, im.Members...) {
			c.of[m] = true
			if im.Kind == fact.KindProcess {
				c.miners[m] = true
			}
		}
		for _, f := range im.Flows {
			for _, x := range f.Indicators { // pools and wallets, as they were said
				c.add(x.Kind, x.Value, nil)
			}
		}
		switch im.Kind {
		case fact.KindProcess, fact.KindFile:
			c.add(IndicatorFile, im.Name, im.Origin)
		case fact.KindKey:
			c.add(IndicatorKey, im.Name, im.Origin)
		default:
			c.text(im.Name, im.Origin)
		}
	}
	for i := range in.Timeline {
		e := &in.Timeline[i]
		if e.Message.ID == "event.key-used" {
			c.address(fmt.Sprint(e.Message.Args["from"]), e.Origin)
		}
	}
}

func (c *collector) snapshot(x *fact.Snapshot) {
	for i := range x.Autostart {
		if a := &x.Autostart[i]; c.of[a.Ref] {
			c.text(a.Text+" "+a.Command, &a.Origin)
		}
	}
	for i := range x.File {
		if f := &x.File[i]; c.of[f.Ref] {
			c.text(strings.Join(f.Shell.URLs, " "), &fact.Origin{Path: f.Path})
		}
	}
	sockets := map[uint64]bool{}
	for i := range x.Process {
		p := &x.Process[i]
		if !c.miners[p.Ref] {
			continue
		}
		argv := strings.Join(p.Argv, " ")
		c.text(argv, nil)
		for _, pool := range hostPort.FindAllString(argv, -1) {
			c.add(IndicatorPool, pool, nil)
		}
		for _, inode := range p.Sockets {
			sockets[inode] = true
		}
	}
	for i := range x.Socket {
		if k := &x.Socket[i]; sockets[k.Inode] && !k.Listening() {
			c.address(k.Peer.String(), nil)
		}
	}
}

var (
	anyURL = regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s'"|;<>()\x60]+`)
	// Wallets: Monero (base58, 95 or 106 characters, begins with 4 or 8),
	// Bitcoin's bech32, Ethereum and its kin.
	wallet   = regexp.MustCompile(`\b(?:[48][1-9A-HJ-NP-Za-km-z]{94}(?:[1-9A-HJ-NP-Za-km-z]{11})?|bc1[02-9ac-hj-np-z]{38,59}|0x[0-9a-fA-F]{40})\b`)
	hostPort = regexp.MustCompile(`\b(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+:[0-9]{2,5}\b`)
)

// text finds URLs, wallets and the addresses in URLs.
func (c *collector) text(s string, o *fact.Origin) {
	for _, u := range anyURL.FindAllString(s, -1) {
		c.add(IndicatorURL, u, o)
		if parsed, err := url.Parse(u); err == nil {
			c.address(parsed.Hostname(), o)
		}
	}
	for _, w := range wallet.FindAllString(s, -1) {
		c.add(IndicatorWallet, w, o)
	}
}

// address adds what is an IP address of somebody else.
func (c *collector) address(s string, o *fact.Origin) {
	a, err := netip.ParseAddr(s)
	if err == nil && !a.IsUnspecified() && !a.IsLoopback() {
		c.add(IndicatorAddress, a.Unmap().String(), o)
	}
}
