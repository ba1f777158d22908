// Package lab builds throwaway hosts that were broken into, so that demine can be tried on what it is made for.
//
// A host is an overlay of this machine's root file system with namespaces of its own (mount, pid, net, uts, ipc,
// cgroup), systemd as pid 1 and a network cable to a small outside world in which the intruder, the shop's customers,
// the office and a developer at home each have addresses of their own. Services, firewall, logins and cron are the
// real programs; the intrusion is done over the wire as it was in the incident that demine was born from. The miner
// is a stand-in: it burns CPU time and carries the constants that betray RandomX code, and does nothing else.
//
// The matrix (Cells) is played on such a host too: each way in which a miner hides, and honest programs that look like one.
// Each way in (Entries) is gone on a host of its own.
//
// Nothing on this machine is changed: mounts live in the host's own mount namespace and end with its pid 1, files
// live in one folder that Down deletes. The package imports nothing of demine's.
package lab
