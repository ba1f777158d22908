package observe

import (
	"slices"
	"strings"

	"demine/internal/fact"
	"demine/internal/format/proc"
	"demine/internal/host"
)

// maxCards is how many open files of graphics cards are asked for what they
// were used for: a program opens a card a few times.
const maxCards = 64

// devices gathers what the open files of one process say of its devices.
type devices struct {
	dir     host.Dir
	p       *fact.Process
	clients map[proc.DRMUse]bool
	asked   int
}

// open notes a file that is open under a number. The device files bear the
// names that the drivers gave them; only those of graphics cards are asked for
// more.
func (x *devices) open(fd, link string, buf []byte) {
	switch {
	case strings.HasPrefix(link, "/dev/cpu/") && strings.HasSuffix(link, "/msr"):
		x.p.MSR = true
	case isCard(link):
		x.card(fd, fact.Path(link), buf)
	}
}

func isCard(link string) bool {
	return strings.HasPrefix(link, "/dev/nvidia") || strings.HasPrefix(link, "/dev/dri/renderD") ||
		strings.HasPrefix(link, "/dev/dri/card") || link == "/dev/kfd"
}

func (x *devices) card(fd string, at fact.Path, buf []byte) {
	if x.p.GPU == nil {
		x.p.GPU, x.clients = &fact.GPU{}, map[proc.DRMUse]bool{}
	}
	g := x.p.GPU
	if !slices.Contains(g.Devices, at) && len(g.Devices) < maxCards {
		g.Devices = append(g.Devices, at)
	}
	if x.asked++; x.asked > maxCards {
		return
	}
	b, err := x.dir.ReadFile("fdinfo/"+fd, buf)
	if err != nil {
		return
	}
	u, ok := proc.DRM(b)
	client := proc.DRMUse{Device: u.Device, Client: u.Client}
	if !ok || x.clients[client] {
		return
	}
	x.clients[client] = true
	g.Driver = u.Driver
	g.Seconds += float64(u.Engine) / 1e9
}
