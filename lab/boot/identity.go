package main

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// bootID makes this boot another one than the machine's: programs tell boots apart by this file.
func bootID(root, file string) error {
	if file == "" {
		return nil
	}
	at := filepath.Join(root, "/proc/sys/kernel/random/boot_id")
	if err := unix.Mount(file, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s: %w", at, err)
	}
	const flags = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("", at, "", flags, ""); err != nil {
		return fmt.Errorf("remount %s: %w", at, err)
	}
	return nil
}
