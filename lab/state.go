package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// State is what an undo must restore: the name of each thing (`file /etc/crontab`, `unit cron.service`, `firewall nft`,
// `redis 6380 setting dir`) with what is so about it, a line each. What moves by itself is left out; see moving.
type State map[string][]string

func (s State) put(name string, lines ...string) {
	if !moving.fit(name) {
		s[name] = lines
	}
}

// State looks at the running host from outside: no text of it is believed to be a path of this machine.
func (h *Host) State(ctx context.Context) (State, error) {
	if !h.Inside.alive() {
		return nil, fmt.Errorf("state of %s: %w", h.Config.Name, errEnded)
	}
	s := State{}
	err := errors.Join(h.files(s), h.filters(ctx, s), h.unitStates(ctx, s), h.datasets(ctx, s))
	if err != nil {
		return nil, fmt.Errorf("state of %s: %w", h.Config.Name, err)
	}
	return s, nil
}

// filters are the three packet filters that a kernel can hold at once.
func (h *Host) filters(ctx context.Context, s State) error {
	for name, argv := range map[string][]string{
		"iptables-legacy":  {"iptables-legacy-save"},
		"ip6tables-legacy": {"ip6tables-legacy-save"},
		"nft":              {"nft", "-s", "list", "ruleset"},
	} {
		text, err := h.must(ctx, h.Inside, "", argv...)
		if err != nil {
			return err
		}
		s.put("firewall "+name, plainRules(text)...)
	}
	return nil
}

// unitStates are what runs, and what is meant to.
func (h *Host) unitStates(ctx context.Context, s State) error {
	running, err := h.sh(ctx, "systemctl list-units --state=active --plain --no-legend --full")
	if err != nil {
		return err
	}
	for line := range strings.Lines(running) {
		f := strings.Fields(line)
		if len(f) < 4 {
			return fmt.Errorf("systemctl list-units says %q", line)
		}
		// Whether a timer waits or its service runs is a matter of the moment.
		if strings.HasSuffix(f[0], ".timer") {
			f[3] = ""
		}
		s.put("unit "+f[0], strings.TrimSpace(f[2]+" "+f[3]))
	}
	enabled, err := h.sh(ctx, "systemctl list-unit-files --plain --no-legend --full")
	if err != nil {
		return err
	}
	for line := range strings.Lines(enabled) {
		if f := strings.Fields(line); len(f) >= 2 {
			s.put("unit file "+f[0], f[1])
		}
	}
	return nil
}
