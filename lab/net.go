package lab

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// The addresses of a host and of those outside, the same in every lab: each lab has its own wire.
const (
	HostV4, HostV6           = "198.51.100.10", "fd00:10::10"
	gatewayV4, gatewayV6     = "198.51.100.1", "fd00:10::1"
	OfficeNetV4, OfficeNetV6 = "198.51.100.128/25", "fd00:20::/64"
	OperatorV4, OperatorV6   = "198.51.100.140", "fd00:20::140"                 // in the office
	DeveloperV4, DeveloperV6 = "203.0.113.200", "fd00:30::200"                  // at home, for whom the port was opened
	IntruderV4, IntruderV6   = "203.0.113.66", "fd00:66::66"                    // also serves the script and the stand-in
	StubAddr                 = IntruderV4 + ":8000"                             // where
	StubURL                  = "http://" + StubAddr + "/api/report?pm=47d1c9f0" // and what the job fetches
)

// Customers are where orders come from.
var Customers = []string{"192.0.2.10", "192.0.2.11", "192.0.2.12", "fd00:40::10", "fd00:40::11"}

// cable joins the host and the world: neither end is ever seen by this machine's own network.
func (h *Host) cable(ctx context.Context) error {
	outside := []string{
		"link set lo up",
		fmt.Sprintf("link add lan0 type veth peer name eth0 netns %d", h.Inside.PID),
		"link set lan0 up",
		"addr add " + gatewayV4 + "/25 dev lan0",
		"addr add " + gatewayV6 + "/64 dev lan0 nodad",
	}
	for _, a := range append([]string{OperatorV4, OperatorV6, DeveloperV4, DeveloperV6, IntruderV4, IntruderV6}, Customers...) {
		if strings.Contains(a, ":") {
			outside = append(outside, "addr add "+a+"/128 dev lan0 nodad")
		} else {
			outside = append(outside, "addr add "+a+"/32 dev lan0")
		}
	}
	inside := []string{
		"link set lo up",
		"link set eth0 up",
		"addr add " + HostV4 + "/25 dev eth0",
		"addr add " + HostV6 + "/64 dev eth0 nodad",
		"route add default via " + gatewayV4,
		"-6 route add default via " + gatewayV6,
	}
	if err := ip(ctx, h.World, outside); err != nil {
		return err
	}
	return ip(ctx, h.Inside, inside)
}

// unplug cuts the cable: for those at its other end the host falls silent.
func (h *Host) unplug(ctx context.Context) error {
	if err := ip(ctx, h.World, []string{"link del lan0"}); err != nil && !strings.Contains(err.Error(), "Cannot find device") {
		return fmt.Errorf("unplug the host: %w", err)
	}
	return nil
}

// ip runs commands of ip(8) in a process's network namespace, with the process numbers of this machine.
func ip(ctx context.Context, in Process, commands []string) error {
	for _, c := range commands {
		argv := append([]string{"-t", strconv.Itoa(in.PID), "-n", "--", "ip"}, strings.Fields(c)...)
		if out, err := exec.CommandContext(ctx, "nsenter", argv...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", c, err, out)
		}
	}
	return nil
}
