package agent

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"demine/internal/explain"
	"demine/internal/fact"
	"demine/internal/i18n"
	"demine/internal/respond"
)

// custody says who took the evidence, when by which clock, with what, and of
// which machine.
type custody struct {
	Tool     string           `json:"tool"`
	Version  string           `json:"version"`
	Operator respond.Operator `json:"operator"`
	Local    time.Time        `json:"local"` // in the host's zone
	UTC      time.Time        `json:"utc"`
	Clock    clock            `json:"clock"`
	Host     fact.HostInfo    `json:"host"`
	Scan     string           `json:"scan"`
	Looked   time.Time        `json:"looked"`
	Machine  machine          `json:"machine"`
}

// clock is what the kernel thinks of its own. How far it is from the true time
// nobody on the host can say.
type clock struct {
	State    string `json:"state"`               // synchronized, not-synchronized, unknown
	By       string `json:"by,omitempty"`        // kernel, timesyncd
	MaxError int64  `json:"max_error,omitempty"` // microseconds
	Offset   string `json:"offset"`              // always unknown: compare with a clock that is right
}

// machine names the instance where a cloud or a vendor says so.
type machine struct {
	Cloud       string `json:"cloud,omitempty"`
	Vendor      string `json:"vendor,omitempty"`
	Product     string `json:"product,omitempty"`
	ProductUUID string `json:"product_uuid,omitempty"`
	BoardAsset  string `json:"board_asset_tag,omitempty"`
	Instance    string `json:"instance_id,omitempty"` // of cloud-init
	MachineID   string `json:"machine_id,omitempty"`
}

func (a *Agent) custody(s *explain.Scan) custody {
	now := a.h.Now()
	c := custody{Tool: "demine", Version: a.settings.Version, Local: now.In(time.FixedZone(s.Host.Zone, s.Host.Offset)), UTC: now.UTC(),
		Clock: a.clock(), Host: s.Host, Scan: s.ID, Looked: s.Taken, Machine: a.machine(),
		Operator: respond.Operator{UID: s.Host.UID, PID: s.Host.Self, Peer: s.Operator.Peer, Version: a.settings.Version}}
	if s.Snapshot != nil {
		c.Operator = a.operatorOf(s.Snapshot)
	}
	return c
}

// adjtimex(2), include/uapi/linux/timex.h.
const (
	staUnsync = 0x0040
	timeError = 5
)

func (a *Agent) clock() clock {
	c := clock{State: "unknown", Offset: "unknown"}
	if _, err := a.h.Files.Stat("/run/systemd/timesync/synchronized"); err == nil {
		c.State, c.By = "synchronized", "timesyncd"
	}
	var t unix.Timex
	if a.h.Name != "live" {
		return c
	}
	state, err := unix.Adjtimex(&t) // without modes it only reads
	switch {
	case err != nil:
	case state == timeError || t.Status&staUnsync != 0:
		c.State, c.By = "not-synchronized", "kernel"
	default:
		c.State, c.By, c.MaxError = "synchronized", "kernel", int64(t.Maxerror)
	}
	return c
}

func (a *Agent) machine() machine {
	one := func(p fact.Path) string {
		b, _, err := a.h.Files.ReadFile(p, 256)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(fact.Text(b))
	}
	dmi := func(name string) string { return one(fact.Path("/sys/class/dmi/id/" + name)) }
	m := machine{Vendor: dmi("sys_vendor"), Product: dmi("product_name"), ProductUUID: dmi("product_uuid"), BoardAsset: dmi("board_asset_tag"),
		Instance: one("/var/lib/cloud/data/instance-id"), MachineID: one("/etc/machine-id")}
	m.Cloud = cloudOf(strings.Join([]string{m.Vendor, m.Product, dmi("bios_vendor"), dmi("bios_version"), dmi("chassis_asset_tag")}, " | "))
	return m
}

// Clouds by a word in what the machine says of itself (SMBIOS types 0 to 3, as
// cloud-init's ds-identify reads them).
var clouds = []struct{ word, name string }{
	{"alibaba", "Alibaba Cloud"}, {"tencent", "Tencent Cloud"}, {"huaweicloud", "Huawei Cloud"}, {"amazon", "Amazon EC2"}, {"ec2", "Amazon EC2"},
	{"google", "Google Cloud"}, {"7783-7084-3265-9085-8269-3286-77", "Microsoft Azure"}, {"baidu", "Baidu AI Cloud"}, {"ucloud", "UCloud"},
	{"volcengine", "Volcengine"}, {"bytedance", "Volcengine"}, {"jdcloud", "JD Cloud"}, {"ksyun", "Kingsoft Cloud"}, {"kingsoft", "Kingsoft Cloud"},
	{"digitalocean", "DigitalOcean"}, {"hetzner", "Hetzner"}, {"vultr", "Vultr"}, {"oraclecloud", "Oracle Cloud"}, {"scaleway", "Scaleway"},
	{"linode", "Akamai"}, {"ovh", "OVHcloud"}, {"openstack", "OpenStack"}, {"microsoft", "Hyper-V"}, {"vmware", "VMware"},
}

func cloudOf(said string) string {
	said = strings.ToLower(said)
	for _, c := range clouds {
		if strings.Contains(said, c.word) {
			return c.name
		}
	}
	return ""
}

// SnapshotFirst is the advice to take a snapshot of the disk before anything
// else, where the disk is one that can be taken a snapshot of.
func (a *Agent) SnapshotFirst() (i18n.Message, bool) {
	m := a.machine()
	switch {
	case m.Cloud == "":
		return i18n.Message{}, false
	case m.Instance != "":
		return i18n.M("evidence.snapshot-first.instance", "cloud", m.Cloud, "instance", m.Instance), true
	}
	return i18n.M("evidence.snapshot-first", "cloud", m.Cloud), true
}
