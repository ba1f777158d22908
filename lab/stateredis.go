package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// shelf is what customers take from with each order: that it is there counts, not how much.
var shelf = patterns{`redis * key 0 "stock:1001"`}

// datasets asks each Redis of the host, with the lab's own client: only the network is the host's.
func (h *Host) datasets(ctx context.Context, s State) error {
	passwords, err := h.passwords(ctx)
	if err != nil {
		return err
	}
	ports := []int{DoorPort}
	if h.Config.Replica {
		ports = append(ports, replicaPort)
	}
	for _, port := range ports {
		var urls []string
		for _, p := range passwords {
			urls = append(urls, fmt.Sprintf("redis://%s127.0.0.1:%d", p, port))
		}
		raw, err := json.Marshal(urls)
		if err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "nsenter", "-t", strconv.Itoa(h.Inside.PID), "-n", "--",
			filepath.Join(h.Folder, "bin", "world"), "dataset")
		cmd.Stdin = strings.NewReader(string(raw))
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("read Redis %d: %w", port, err)
		}
		all := map[string][]string{}
		if err := json.Unmarshal(out, &all); err != nil {
			return fmt.Errorf("read Redis %d: %w", port, err)
		}
		for name, lines := range all {
			name = fmt.Sprintf("redis %d %s", port, name)
			if shelf.fit(name) {
				lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "sha256 ") })
			}
			s.put(name, lines...)
		}
	}
	return nil
}

// passwords are those that the host has for its Redis, as the user part of a URL; none comes first. A file that is gone
// is for the comparison to tell.
func (h *Host) passwords(ctx context.Context) ([]string, error) {
	inURL, err := h.sh(ctx, `sed -n 's,^SHOP_REDIS="\?redis://\(.*@\).*,\1,p' /etc/shop/shop.env 2>/dev/null || true`)
	if err != nil {
		return nil, err
	}
	plain, err := h.sh(ctx, `sed -n 's,^requirepass *"\?\([^" ]*\)"\? *$,\1,p' /etc/redis/*.conf 2>/dev/null || true`)
	all := append([]string{""}, strings.Fields(inURL)...)
	for _, p := range strings.Fields(plain) {
		all = append(all, url.UserPassword("", p).String()+"@")
	}
	return all, err
}
