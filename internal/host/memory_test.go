package host

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const targetEnv = "DEMINE_TEST_TARGET"

// target maps two pages, behind which nothing is, fills them, tells where they
// are, and at each line of its input what all of it sums to.
func target() {
	m, err := unix.Mmap(-1, 0, 3*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		panic(err)
	}
	copy(m, bytes.Repeat([]byte("0123456789abcdef"), 512))
	if err := unix.MunmapPtr(unsafe.Pointer(&m[2*4096]), 4096); err != nil {
		panic(err)
	}
	fmt.Printf("%p\n", &m[0])
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Printf("%x\n", sha256.Sum256(m[:2*4096]))
	}
}

// startTarget gives the pid, the address, and a function that asks for the sum.
func startTarget(t *testing.T) (pid int, addr int64, sum func() string) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestMemory$")
	c.Env = append(os.Environ(), targetEnv+"=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	r := bufio.NewReader(out)
	if _, err := fmt.Fscanf(r, "0x%x\n", &addr); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid, addr, func() string {
		_, _ = io.WriteString(in, "\n")
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return line
	}
}

// TestMemory reads another process by the call, and by its file as where the
// call is refused; the process is not changed by it.
func TestMemory(t *testing.T) {
	if os.Getenv(targetEnv) != "" {
		target()
		os.Exit(0)
	}
	pid, addr, sum := startTarget(t)
	before := sum()
	for name, refused := range map[string]bool{"call": false, "file": true} {
		m, err := liveKernel{}.Memory(pid)
		if err != nil {
			t.Fatal(err)
		}
		m.(*liveMemory).refused.Store(refused)
		b := make([]byte, 4096)
		if n, err := m.ReadAt(b, addr+8); n != len(b) || err != nil || !bytes.HasPrefix(b, []byte("89abcdef0123")) {
			t.Errorf("%s: %d %v %q", name, n, err, b[:16])
		}
		n, err := m.ReadAt(b, addr+2*4096-16)
		if n != 16 || err == nil || string(b[:16]) != "0123456789abcdef" {
			t.Errorf("%s: up to the end of a mapping: %d %v", name, n, err)
		}
		if n, err := m.ReadAt(b, 4096); n != 0 || err == nil {
			t.Errorf("%s: nothing is mapped at 4096, and %d bytes were read", name, n)
		}
		if err := m.Close(); err != nil {
			t.Error(name, err)
		}
	}
	if after := sum(); after != before {
		t.Errorf("the memory was changed: %s, then %s", before, after)
	}
}

func TestMemoryGone(t *testing.T) {
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := (liveKernel{}).Memory(c.Process.Pid); !Gone(err) || !errors.Is(err, unix.ESRCH) {
		t.Errorf("a process that ended: %v", err)
	}
}
