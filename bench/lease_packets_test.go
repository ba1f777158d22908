package bench

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"demine/internal/respond"
)

const (
	otherPort     = 5000
	packetsAtOnce = 400 // some milliseconds: what else the machine does falls into few of them
	packetRounds  = 100
)

// BenchmarkLeasePackets sends packets to hosts in turn: without a filter, which is
// the bound, with that of a usual server, and with it and leases, one, a thousand
// single addresses, and a thousand prefixes of 25 lengths. They go to a port with
// leases, from one who has none, and to another port, and are dropped by the usual
// filter, so that they meet all of it. What a packet takes in the least disturbed
// tenth of the rounds, and what that is of the usual filter alone.
func BenchmarkLeasePackets(b *testing.B) {
	hosts := []struct {
		name   string
		filter string
		leases []respond.Admission
	}{
		{"bound", "", nil},
		{"usual", usualFilter, nil},
		{"one", usualFilter, leasesOf(1, false)},
		{"1000", usualFilter, leasesOf(leasesInForce, false)},
		{"mixed", usualFilter, leasesOf(leasesInForce, true)},
	}
	var lanes [][2]*lane
	for _, x := range hosts {
		for i := range x.leases {
			x.leases[i].Proto = "udp"
		}
		h := newLeaseHost(b, x.name, x.filter)
		if len(x.leases) > 0 {
			h.admit(x.leases...)
		}
		lanes = append(lanes, [2]*lane{h.lane(leasePort), h.lane(otherPort)})
	}
	for b.Loop() {
		for range packetRounds {
			for _, l := range lanes {
				l[0].send()
				l[1].send()
			}
		}
	}
	for i, x := range hosts {
		for j, port := range []string{"leased", "other"} {
			ns := quiet(lanes[i][j].took)
			b.ReportMetric(ns, fmt.Sprintf("%s-%s-ns", x.name, port))
			b.ReportMetric(ns/quiet(lanes[1][j].took), fmt.Sprintf("%s-%s-ratio", x.name, port))
		}
	}
	b.ReportMetric(0, "ns/op")
}

// lane is one sender outside to one port of the host.
type lane struct {
	net.Conn
	took []float64
}

func (h leaseHost) lane(port int) *lane {
	l := &lane{}
	h.in(h.name, func() error {
		c, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port)) // nobody reads: what is not filtered is dropped here
		h.b.Cleanup(func() { c.Close() })
		return err
	})
	h.in(h.name+"-o", func() (err error) {
		l.Conn, err = net.Dial("udp", fmt.Sprintf("10.77.0.1:%d", port))
		h.b.Cleanup(func() { l.Close() })
		return err
	})
	return l
}

// send notes how long one packet takes, in nanoseconds. Over a pair of veth it is
// delivered, and filtered, before the call returns or soon after.
func (l *lane) send() {
	b := make([]byte, 18)
	begun := time.Now()
	for range packetsAtOnce {
		_, _ = l.Write(b)
	}
	l.took = append(l.took, float64(time.Since(begun).Nanoseconds())/packetsAtOnce)
}

// quiet is the longest of the shortest tenth of what was noted.
func quiet(xs []float64) float64 {
	xs = slices.Clone(xs)
	slices.Sort(xs)
	return xs[len(xs)/10]
}
