//go:build lab

package lab

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLeaseOnTerminal: people who are logged in read on their terminals, and in the system log, that a lease ends soon and that
// one is held up; flows of UDP end with their lease if that was asked for, and go on if not.
func TestLeaseOnTerminal(t *testing.T) {
	h := boot(t, Config{Name: "lease-terminal", Scenario: "quiet", NoLoad: true, Firewall: Nft})
	if err := h.CopyIn(t.Context(), product(t), "/root/demine"); err != nil {
		t.Fatal(err)
	}
	terminal := logIn(t, h)
	ends := newLease(t, demineIn(t, h, 0, openArgs(6397, "--for", "20s", "--json")...).Stdout)
	held := newLease(t, demineIn(t, h, 0, openArgs(6398, "--json")...).Stdout)
	inside(t, h, "nft insert rule inet filter input tcp dport 6398 drop")
	reads(t, terminal, "demine: lease "+held.ID+" (6398/tcp", "is held up", "tcp dport 6398 drop")
	t.Run("udp", func(t *testing.T) { flowsEnd(t, h) })
	reads(t, terminal, "demine: lease "+ends.ID+" (6397/tcp", "ends in")
	log := func() string {
		return inside(t, h, "sed -n '/ demine.*lease event/s/ trail=.*state=[^ ]*//p' /var/log/auth.log")
	}
	reads(t, log, "lease event=warned id="+ends.ID, "lease event=failed doing=put-back id="+held.ID)
	demineIn(t, h, 0, "lease", "close", held.ID)
}

// logIn is what somebody's terminal shows who logs in over ssh and stays.
func logIn(t *testing.T, h *Host) func() string {
	t.Helper()
	const shown = "/run/terminal"
	args := sshArgs(OperatorV4, "owner", "-tt", "root@"+HostV4)
	script := "setsid sh -c 'tail -f /dev/null | " + strings.Join(args, " ") + "' >" + shown + " 2>&1 &"
	if _, err := h.must(t.Context(), h.World, "", "sh", "-c", script); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		r, err := h.Outside(t.Context(), "cat", shown)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(r.Stdout), " ")
	}
	reads(t, read, "#") // the shell's prompt
	return read
}

// reads waits until all of some texts are there to be read.
func reads(t *testing.T, shown func() string, texts ...string) {
	t.Helper()
	err := until(t.Context(), 30*time.Second, strings.Join(texts, ", "), func() error {
		all := shown()
		for _, s := range texts {
			if !strings.Contains(all, s) {
				return fmt.Errorf("%q", all)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// echoUDP answers whoever asks; askUDP asks again and again from one socket, and writes down how often it was answered.
const (
	echoUDP = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", %[1]d))
while True:
    b, a = s.recvfrom(99); s.sendto(b, a)`
	askUDP = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("` + DeveloperV4 + `", 0)); s.settimeout(0.05)
s.connect(("` + HostV4 + `", %[1]d)); n = 0
while True:
    try: s.send(b"ask"); s.recv(99); n += 1
    except OSError: pass
    open("/run/answered-%[1]d", "w").write(str(n))`
)

// flowsEnd: of two flows, one of a lease with --drop-established, that one ends when the leases are closed.
func flowsEnd(t *testing.T, h *Host) {
	ids := map[int]string{}
	for port, more := range map[int][]string{5301: {"--drop-established"}, 5302: nil} {
		args := append(openArgs(port, more...), "--json")
		args[2] = fmt.Sprintf("%d/udp", port)
		ids[port] = newLease(t, demineIn(t, h, 0, args...).Stdout).ID
		start := "setsid /usr/bin/python3 -c '%s' >/dev/null 2>&1 </dev/null &"
		inside(t, h, fmt.Sprintf(start, fmt.Sprintf(echoUDP, port)))
		if _, err := h.must(t.Context(), h.World, "", "sh", "-c", fmt.Sprintf(start, fmt.Sprintf(askUDP, port))); err != nil {
			t.Fatal(err)
		}
		goesOn(t, h, port, 0)
	}
	for _, id := range ids {
		demineIn(t, h, 0, "lease", "close", id)
	}
	ended, stays := answered(t, h, 5301), answered(t, h, 5302)
	goesOn(t, h, 5302, stays+20) // time in which the other would have been answered as well
	if now := answered(t, h, 5301); now > ended+1 {
		t.Errorf("answered %d times when its lease was closed, %d times since", ended, now-ended)
	}
}

func answered(t *testing.T, h *Host, port int) int {
	t.Helper()
	r, err := h.Outside(t.Context(), "cat", fmt.Sprintf("/run/answered-%d", port))
	n, _ := strconv.Atoi(r.Stdout) // none yet
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// goesOn waits for more answers than there were.
func goesOn(t *testing.T, h *Host, port, than int) {
	t.Helper()
	err := until(t.Context(), 20*time.Second, fmt.Sprintf("answers from port %d", port), func() error {
		if n := answered(t, h, port); n <= than {
			return fmt.Errorf("%d answers", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
