package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// contained are stand-ins in a container of a real Docker engine.
var contained = []Cell{
	{Name: "container", What: "in a Docker container that is always started again", Want: "confirmed",
		play: func(ctx context.Context, s *Scene) error {
			pid, err := s.contain(ctx, "stripped", "/tmp/kinsing", burning...)
			s.PIDs = []int{pid}
			return err
		}},
}

// engine is what Docker must do without in a host: a bridge of its own and the packet filter.
const engine = `{"bridge": "none", "iptables": false, "ip6tables": false, "ip-forward": false, "ip-masq": false}` + "\n"

// contain runs a program of the lab as the only file of a container and returns its process once it has worked. The
// engine's folder is no overlay, on which it could not lay its own.
func (s *Scene) contain(ctx context.Context, variant, at string, args ...string) (int, error) {
	h := s.h
	s.after("systemctl stop docker.service docker.socket containerd.service; umount /var/lib/docker")
	s.remove("/etc/docker/daemon.json")
	if err := h.put(ctx, strings.NewReader(engine), "/etc/docker/daemon.json", 0o644); err != nil {
		return 0, err
	}
	if _, err := h.sh(ctx, "mkdir -p /var/lib/docker && mount -t tmpfs tmpfs /var/lib/docker && systemctl start docker && docker info >/dev/null"); err != nil {
		return 0, err
	}
	image := "/srv/image"
	if err := s.program(ctx, variant, image+at); err != nil {
		return 0, err
	}
	s.after("docker rm -f cache >/dev/null")
	out, err := h.sh(ctx, fmt.Sprintf(`tar -C %s -c . | docker import - registry.example.com/cache:7 >/dev/null
docker run -d --name cache --network none --restart always registry.example.com/cache:7 %s %s >/dev/null
docker inspect -f '{{.State.Pid}}' cache`, image, at, strings.Join(args, " ")))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		return 0, err
	}
	return pid, s.worked(ctx, pid)
}
