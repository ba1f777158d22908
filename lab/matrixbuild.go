package lab

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed scripts/*.py scripts/*.java
var scripts embed.FS

// variant is where on this machine a program of the lab lies, in one of the ways that the matrix has it built. It is
// built when it is first asked for.
func (h *Host) variant(ctx context.Context, name string) (string, error) {
	at := filepath.Join(h.Folder, "bin", name)
	if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) {
		return at, err
	}
	if err := h.make(ctx, name, at); err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	return at, nil
}

func (h *Host) make(ctx context.Context, name, out string) error {
	switch name {
	case "dynamic":
		return h.compile(ctx, true, out, "./lab/standin")
	case "stripped":
		return h.compile(ctx, false, out, "-ldflags=-s -w", "./lab/standin")
	case "packed":
		return h.pack(ctx, "stripped", out)
	case "gominer-packed":
		return h.pack(ctx, "gominer", out)
	case "altered":
		return h.alter(ctx, out)
	case "gominer":
		return h.compile(ctx, false, out, "-ldflags=-s -w", "./lab/gominer")
	case "crunch":
		return h.compile(ctx, false, out, "./lab/crunch")
	case "hider.so":
		return h.library(ctx, "hider.c", out)
	case "function.so":
		return h.library(ctx, "function.c", out)
	case "server.jar":
		return h.archive(ctx, out)
	}
	return errors.New("there is no such variant")
}

// compile builds a Go program. With cgo one that asks the resolver is linked dynamically.
func (h *Host) compile(ctx context.Context, cgo bool, out string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-o", out}, args...)...)
	cmd.Dir, cmd.Env = h.Config.Source, append(os.Environ(), "CGO_ENABLED=0")
	if cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	return quietly(cmd)
}

// library compiles one of the lab's C files.
func (h *Host) library(ctx context.Context, name, out string) error {
	from := filepath.Join(h.Config.Source, "lab/scripts", name)
	return quietly(exec.CommandContext(ctx, "gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", out, from))
}

func quietly(cmd *exec.Cmd) error {
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd.Args[0], err, text)
	}
	return nil
}

// pack makes of a program what UPX does: its constants and words are only in memory.
func (h *Host) pack(ctx context.Context, program, out string) error {
	from, err := h.variant(ctx, program)
	if err != nil {
		return err
	}
	return quietly(exec.CommandContext(ctx, "upx", "-qq", "-1", "-o", out, from))
}

// alter takes UPX's own marks from the packed one, so that `upx -d` and whoever looks for the mark do not know it.
func (h *Host) alter(ctx context.Context, out string) error {
	from, err := h.variant(ctx, "packed")
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if !bytes.Contains(raw, []byte("UPX!")) {
		return errors.New("the packed stand-in has no mark of UPX")
	}
	for mark, other := range map[string]string{"UPX!": "YTS\x99", "$Info: This file is packed with the UPX": "$Info: This file is pressed by hand -- "} {
		raw = bytes.ReplaceAll(raw, []byte(mark), []byte(other))
	}
	return os.WriteFile(out, raw, 0o755)
}

// poolAddr and sealedAddr are where the stub of a pool answers, outside: in the clear and over TLS.
const (
	poolAddr   = IntruderV4 + ":3333"
	sealedAddr = IntruderV4 + ":4443"
)

// pool starts the stub, once.
func (h *Host) pool(ctx context.Context) error {
	answers := func() error {
		out, err := h.must(ctx, h.World, "", "/opt/lab/world", "knock", "-from", OperatorV4, "-to", sealedAddr)
		if err == nil && !strings.HasPrefix(out, "open") {
			err = errors.New(out)
		}
		return err
	}
	if answers() == nil {
		return nil
	}
	script := "setsid /opt/lab/world pool -clear " + poolAddr + " -tls " + sealedAddr + " </dev/null >/var/log/pool.log 2>&1 &"
	if _, err := h.must(ctx, h.World, "", "sh", "-c", script); err != nil {
		return err
	}
	return until(ctx, 20*time.Second, "the stub of a pool", answers)
}
