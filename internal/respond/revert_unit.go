package respond

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"demine/internal/fact"
	"demine/internal/host"
)

// The unit that undoes at a boot what nobody confirmed before it, and the link
// that enables it. They are made directly: a daemon-reload would put others'
// edits into force, and none is needed before the next boot.
const (
	revertUnit fact.Path = "/etc/systemd/system/demine-revert.service"
	revertWant fact.Path = "/etc/systemd/system/multi-user.target.wants/demine-revert.service"
)

// revertText is the unit's file; the program's path is quoted as
// systemd.service(5) wants it. sshd waits for it, so it must end: without a
// time a oneshot has none.
const revertText = `# Made by demine for the time until a change is confirmed; it goes by itself.
[Unit]
Description=Undo changes of demine that nobody confirmed before the reboot
RequiresMountsFor=%[1]s
Before=ssh.service sshd.service ssh.socket sshd.socket

[Service]
Type=oneshot
TimeoutStartSec=120
ExecStart=%[2]s revert --boot

[Install]
WantedBy=multi-user.target
`

// maxSelf is more than the size of any demine.
const maxSelf = 128 << 20

// InstallBootRevert sees to it that "demine revert --boot" runs at the next
// boot, from a copy of this very program in the state folder. What is there
// already stays. It is refused where it could not work: without systemd, or
// with a state folder that a reboot empties.
func InstallBootRevert(w *Writer) error {
	stateDir := fact.Path(w.State)
	if err := canRevertAtBoot(w.Host, stateDir); err != nil {
		return err
	}
	self, _, err := w.Host.Files.ReadFile("/proc/self/exe", maxSelf)
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	program := host.Join(stateDir, "demine")
	if err := ensureFile(w, program, 0o700, self); err != nil {
		return err
	}
	text := fmt.Sprintf(revertText, unitWord(string(stateDir)), unitWord(string(program)))
	if err := ensureFile(w, revertUnit, 0o644, []byte(text)); err != nil {
		return err
	}
	if err := w.Files.MakeDir("/etc/systemd/system/multi-user.target.wants", 0o755, 0, 0); err != nil && !errors.Is(err, ErrNothing) {
		return err
	}
	return ensureLink(w, revertWant, revertUnit)
}

// RemoveBootRevert takes away what InstallBootRevert made, when nothing waits
// for a confirmation any more. What is not there is no error.
func RemoveBootRevert(w *Writer) error {
	stateDir := fact.Path(w.State)
	for _, p := range []fact.Path{revertWant, revertUnit, host.Join(stateDir, "demine")} {
		st, err := w.Files.State(p)
		if err == nil && !st.Missing {
			err = w.Files.Remove(p, st)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// canRevertAtBoot: systemd runs, and the state folder outlives a reboot.
func canRevertAtBoot(h *host.Host, stateDir fact.Path) error {
	if i, err := h.Files.Stat("/run/systemd/system"); err != nil || i.Type != "dir" {
		return Refuse("refuse.sshd.no-boot-revert", "path", "/etc/ssh")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(string(stateDir), &st); err != nil {
		return fmt.Errorf("%s: %w", stateDir, err)
	}
	if st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC {
		return Refuse("refuse.revert.volatile", "path", stateDir.String())
	}
	return nil
}

// ensureFile makes a file of root's, or gives it that content.
func ensureFile(w *Writer, p fact.Path, mode uint32, content []byte) error {
	st, err := w.Files.State(p)
	switch {
	case err != nil:
		return err
	case st.Missing:
		st = FileState{Missing: true, Mode: mode, Xattrs: runnableLabel(w)}
		if mode&0o111 == 0 {
			st.Xattrs = nil
		}
	case st.SHA256 == sumHex(content):
		return nil
	}
	_, err = w.Files.Replace(p, st, content)
	return err
}

// runnableLabel is the SELinux label of a program of the system: systemd may
// not run what has that of a state folder.
func runnableLabel(w *Writer) map[string][]byte {
	for _, p := range []fact.Path{"/usr/bin/env", "/bin/sh"} {
		if real, err := realPath(w.Host, p); err == nil {
			if st, err := w.Files.State(real); err == nil && st.Xattrs["security.selinux"] != nil {
				return map[string][]byte{"security.selinux": st.Xattrs["security.selinux"]}
			}
		}
	}
	return nil
}

func ensureLink(w *Writer, p, to fact.Path) error {
	st, err := w.Files.State(p)
	switch {
	case err != nil:
		return err
	case st.Missing:
		return w.Files.Restore(p, st, FileState{Type: "link", Link: to}, nil, w.Vault)
	case st.Link != to:
		return fmt.Errorf("%s: %w", p, ErrDrifted)
	}
	return nil
}

// unitWord quotes a path for a line of a unit file.
func unitWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`, `$`, `$$`).Replace(s) + `"`
}
