package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Cron is how a host schedules jobs: which daemon, and where it keeps users' tables.
type Cron string

// The three layouts differ in what they make of a table that Redis wrote; see Facts.CronRuns.
const (
	RHEL    Cron = "rhel"    // tables are /var/spool/cron/USER, as on CentOS; busybox crond plays cronie
	Busybox Cron = "busybox" // busybox crond on its own default, /var/spool/cron/crontabs
	Debian  Cron = "debian"  // Debian's cron 3.0pl1, which is strict about modes and syntax
)

// Firewall is the kind of packet filter that a host uses.
type Firewall string

// The three kinds; each host has the same rules in any of them, for IPv4 and IPv6.
const (
	IptablesLegacy Firewall = "iptables-legacy"
	IptablesNft    Firewall = "iptables-nft"
	Nft            Firewall = "nft"
)

// Launcher is what starts the shop's Redis.
type Launcher string

// By hand, the unit is there but not enabled, and nothing starts Redis again.
const (
	ByUnit Launcher = "unit"
	ByHand Launcher = "hand"
)

// Crons and Firewalls list what Config accepts.
var (
	Crons     = []Cron{RHEL, Busybox, Debian}
	Firewalls = []Firewall{IptablesLegacy, IptablesNft, Nft}
)

// Config says what host to build. The zero value with a Scenario is usable.
type Config struct {
	Name     string   // unique on this machine; default: the scenario's name
	Scenario string   // one of Scenarios
	Cron     Cron     // default RHEL, the layout of the incident
	Firewall Firewall // default IptablesLegacy
	NoLoad   bool     // no customers
	Dir      string   // folder that holds demine-lab-NAME; default os.TempDir()
	Source   string   // root of demine's source tree; default: found upwards from the working directory
	Threads  int      // how many CPUs the stand-in burns; default: all
	RedisBy  Launcher // default ByUnit
	Replica  bool     // a second Redis, which copies the first
	Cell     string   // of scenario matrix: the one of Cells to play; of entry: the one of Entries; default: none

	// Owner is the process that will take the host down. If it is gone, whoever wants the name may; without one the
	// host stays until it is taken down.
	Owner Process

	// Step is told what is being done, as it is done. May be nil.
	Step func(Step) `json:"-"`
}

// Step is one line of progress.
type Step struct {
	After time.Duration // since Up or Reboot began
	What  string
}

var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Folder is where the host called name keeps everything, below dir (or os.TempDir() when dir is empty).
func Folder(dir, name string) string {
	if dir == "" {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "demine-lab-"+name)
}

func (c Config) withDefaults() (Config, error) {
	if _, ok := scenarios[c.Scenario]; !ok {
		return c, fmt.Errorf("unknown scenario %q: choose one of %s", c.Scenario, strings.Join(Scenarios(), ", "))
	}
	if c.Name == "" {
		c.Name = c.Scenario
	}
	if !nameRE.MatchString(c.Name) {
		return c, fmt.Errorf("name %q: use up to 32 of a-z, 0-9 and -", c.Name)
	}
	if e, err := findEntry(c.Cell); err == nil && c.Cron == "" {
		c.Cron = e.Cron
	}
	if c.Cron == "" {
		c.Cron = RHEL
	}
	if !slices.Contains(Crons, c.Cron) {
		return c, fmt.Errorf("unknown cron layout %q: choose one of %v", c.Cron, Crons)
	}
	if c.Firewall == "" {
		c.Firewall = IptablesLegacy
	}
	if !slices.Contains(Firewalls, c.Firewall) {
		return c, fmt.Errorf("unknown firewall %q: choose one of %v", c.Firewall, Firewalls)
	}
	if c.RedisBy == "" {
		c.RedisBy = ByUnit
	}
	if c.RedisBy != ByUnit && c.RedisBy != ByHand {
		return c, fmt.Errorf("unknown launcher of Redis %q: choose %s or %s", c.RedisBy, ByUnit, ByHand)
	}
	if c.Cell != "" {
		if err := knownCell(c.Scenario, c.Cell); err != nil {
			return c, err
		}
	}
	if c.Source == "" {
		src, err := findSource()
		if err != nil {
			return c, err
		}
		c.Source = src
	}
	if os.Getuid() != 0 {
		return c, errors.New("a lab host needs root: run this with sudo")
	}
	return c, needTools()
}

func knownCell(scenario, name string) (err error) {
	if scenario == "entry" {
		_, err = findEntry(name)
	} else {
		_, err = findCell(name)
	}
	return err
}
