//go:build lab

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// containedScan is the part of the contract that tells of containers and of words on the wire.
type containedScan struct {
	Incidents []struct {
		Implants []struct {
			Name      string
			HostPath  string `json:"host_path"`
			Container struct {
				Name, Image, Project, Restart, Runtime string
				Running                                bool
			}
			Flows []struct {
				Role, Dialect, Peer string
				Methods             []string
				Indicators          []struct{ Kind, Value string }
			}
		}
	}
	Findings []finding
	Coverage []coverage
}

// TestContainer: in containers of a real Docker engine, one stand-in is found by its code and another, which has no
// known code, by its words, in a network of its own; both with the container that they are in.
func TestContainer(t *testing.T) {
	bin, miner := product(t), filepath.Join(t.TempDir(), "gominer")
	if out, err := goBuild(t, "./lab/gominer", miner); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	h := boot(t, Config{Name: "container", Scenario: "quiet", NoLoad: true})
	for from, to := range map[string]string{bin: "/root/demine", h.Folder + "/bin/standin": "/root/code/var/tmp/minerd",
		miner: "/root/words/var/tmp/kdev", h.Folder + "/bin/world": "/root/words/pool"} {
		inside(t, h, "mkdir -p $(dirname "+to+")")
		if err := h.CopyIn(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
	}
	inside(t, h, "setsid dockerd --bridge=none --iptables=false --ip-masq=false --storage-driver=vfs </dev/null >/var/log/dockerd 2>&1 &")
	err := until(t.Context(), time.Minute, "Docker", func() error {
		if r, err := h.Run(t.Context(), "docker", "info"); err != nil || r.Exit != 0 {
			return fmt.Errorf("%v: %s", err, r.Stderr)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	inside(t, h, `tar -C /root/code -c . | docker import - shop/render:7
tar -C /root/words -c . | docker import - shop/cache:2
docker run -d --network none --restart always --name render --label com.docker.compose.project=shop shop/render:7 /var/tmp/minerd -threads 1
docker run -d --network none --restart unless-stopped --name cache shop/cache:2 /pool pool -clear 127.0.0.1:3333 -tls 127.0.0.1:3334
docker exec -d cache /var/tmp/kdev -o 127.0.0.1:3333 -t 1 -p S3cret`)
	err = until(t.Context(), time.Minute, "the miner to call its pool", func() error {
		r, err := h.Run(t.Context(), "sh", "-c", `grep ' 01 ' /proc/$(docker inspect -f '{{.State.Pid}}' cache)/net/tcp`)
		if err == nil && r.Exit != 0 {
			err = errors.New(r.Stderr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.Run(t.Context(), "/root/demine", "--json", "--wire", "20s")
	if err != nil {
		t.Fatal(err)
	}
	var s containedScan
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatalf("exit %d, %v: %s%s", r.Exit, err, r.Stdout, r.Stderr)
	}
	checkContainers(t, &s)
	if strings.Contains(r.Stdout, "S3cret") {
		t.Error("the password at the pool is told")
	}
	for _, c := range s.Coverage {
		if (c.Observer == "container" || c.Observer == "wire") && c.State != "seen" {
			t.Errorf("observer %s: %s %+v", c.Observer, c.State, c.Gaps)
		}
	}
	if t.Failed() {
		keep(t, h, r.Stdout)
	}
}

func checkContainers(t *testing.T, s *containedScan) {
	t.Helper()
	found := map[string]bool{}
	for _, i := range s.Incidents {
		for _, im := range i.Implants {
			c := im.Container
			found[fmt.Sprintf("%s in %s (%s, %q, %s, %s, %v)", im.Name, c.Name, c.Image, c.Project, c.Restart, c.Runtime, c.Running)] = true
			if c.Name != "" && (!strings.HasPrefix(im.HostPath, "/var/lib/docker/") || !strings.HasSuffix(im.HostPath, im.Name)) {
				t.Errorf("%s is said to lie at %q", im.Name, im.HostPath)
			}
			for _, f := range im.Flows {
				found[fmt.Sprintf("%s: %s %s %s %v", im.Name, f.Role, f.Dialect, f.Peer, slices.Contains(f.Methods, "submit"))] = true
			}
		}
	}
	for _, want := range []string{
		`/var/tmp/minerd in render (shop/render:7, "shop", always, docker, true)`,
		`/var/tmp/kdev in cache (shop/cache:2, "", unless-stopped, docker, true)`,
		`/var/tmp/kdev: client monero 127.0.0.1:3333 true`,
	} {
		if !found[want] {
			t.Errorf("not told: %s\ntold: %v", want, found)
		}
	}
	rules := map[string]string{}
	for _, f := range s.Findings {
		rules[f.Rule] = f.Certainty
	}
	for _, want := range []string{"mining/miner-code", "mining/stratum-on-wire"} {
		if rules[want] != "confirmed" {
			t.Errorf("%s: %q", want, rules[want])
		}
	}
}
