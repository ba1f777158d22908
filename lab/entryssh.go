package lab

import (
	"context"
	"fmt"
)

var loginLogs = []string{"/var/log/auth.log", "/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog"}

// sshEntries are logins, none of which sshd refused.
var sshEntries = []Entry{
	{Name: "ssh-guessed", What: "24 wrong passwords of one address, and then the right one of an account named test", Cause: "ssh-guessed",
		Cites: []string{"accepted", "some-session"}, Logs: loginLogs, Wiped: "ssh-unseen", play: guessPassword},
	{Name: "ssh-bought", What: "the right password at the first try, from an address never seen", Cause: "ssh-password",
		Cites: []string{"accepted", "some-session"}, Logs: loginLogs, Wiped: "ssh-unseen", play: knowPassword},
	{Name: "ssh-stolen-key", What: "the owner's own key, from an address never seen", Cause: "ssh-foreign-key",
		Cites: []string{"new-address", "some-session"}, Logs: loginLogs, Wiped: "ssh-unseen",
		play: func(ctx context.Context, h *Host) error { return h.enter(ctx, IntruderV4, "owner", payload) }},
	{Name: "ssh-neighbour", What: "a key that was left for another host of the same network, used from there", Cause: "other-host",
		Cites: []string{"accepted", "some-session"}, Logs: loginLogs, Wiped: "ssh-unseen", play: fromNeighbour},
}

// enter runs a command over ssh with a key.
func (h *Host) enter(ctx context.Context, from, key, command string) error {
	if _, err := h.must(ctx, h.World, "", sshArgs(from, key, "root@"+HostV4, command)...); err != nil {
		return fmt.Errorf("log in from %s: %w", from, err)
	}
	return nil
}

// fromNeighbour: the address of the gateway stands for any host of the same network.
func fromNeighbour(ctx context.Context, h *Host) error {
	key, err := h.must(ctx, h.World, "", "cat", "/root/.ssh/intruder.pub")
	if err != nil {
		return err
	}
	if _, err := h.must(ctx, h.Inside, key, "sh", "-c", "cat >> "+keysFile); err != nil {
		return err
	}
	return h.enter(ctx, gatewayV4, "intruder", payload)
}

// password is that of an account that somebody made to try something, where sshd takes passwords.
const password = "test123"

func takePasswords(ctx context.Context, h *Host) error {
	if err := h.lay(ctx, "/etc/ssh/sshd_config.d/05-passwords.conf", "PasswordAuthentication yes\n"); err != nil {
		return err
	}
	_, err := h.sh(ctx, "useradd -m -s /bin/bash test; echo test:"+password+" | chpasswd; systemctl restart ssh")
	return err
}

// askpass answers for the one who types: ssh asks it when there is no terminal (ssh(1), SSH_ASKPASS).
const askpass = `printf '#!/bin/sh\necho "$GUESS"\n' >/root/askpass; chmod +x /root/askpass
try() { GUESS=$1 SSH_ASKPASS=/root/askpass SSH_ASKPASS_REQUIRE=force ssh -F none -b ` + IntruderV4 + ` -o PreferredAuthentications=password \
-o PubkeyAuthentication=no -o NumberOfPasswordPrompts=3 -o StrictHostKeyChecking=no -o LogLevel=ERROR test@` + HostV4 + ` "$2"; }
`

func knowPassword(ctx context.Context, h *Host) error {
	if err := takePasswords(ctx, h); err != nil {
		return err
	}
	return h.outside(ctx, "", askpass+"try "+password+" '"+payload+"'")
}

func guessPassword(ctx context.Context, h *Host) error {
	if err := takePasswords(ctx, h); err != nil {
		return err
	}
	return h.outside(ctx, "", askpass+"for i in 1 2 3 4 5 6 7 8; do try wrong$i true 2>/dev/null & done; wait; try "+password+" '"+payload+"'")
}
