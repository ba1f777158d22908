#!/bin/sh
# Makes the databases of this folder: that of SQLite with rpm itself; that of Berkeley
# DB, which rpm no longer writes, with libdb's own tool from the same headers; and
# ndb, which Debian's rpm is built without, as rpm's lib/backend/ndb/rpmpkg.c lays it
# out. Needs rpm, db5.3-util and python3. Run in the folder above.
set -eu
here=$PWD/testdata
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{
	cat <<'SPEC'
Name: tools
Version: 1
Release: 1
Summary: tools
License: none
BuildArch: noarch
%description
tools
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc %{buildroot}/var/log %{buildroot}/usr/share/many
printf '#!/bin/sh\necho as shipped\n' | tee %{buildroot}/usr/bin/good %{buildroot}/usr/bin/bad >/dev/null
ln -s good %{buildroot}/usr/bin/link
echo 'a = 1' >%{buildroot}/etc/tools.conf
: >%{buildroot}/var/log/tools.log
for i in $(seq 400); do echo $i >%{buildroot}/usr/share/many/file-$i; done
%files
/usr/bin/good
/usr/bin/bad
/usr/bin/link
%config /etc/tools.conf
%ghost /var/log/tools.log
%package many
Summary: a header of several pages
%description many
many
%files many
/usr/share/many
SPEC
	for i in $(seq 60); do
		printf '%%package p%s\nSummary: one of many\n%%description p%s\none\n%%files p%s\n' "$i" "$i" "$i"
	done
} >tools.spec
rpmbuild --quiet -bb --define "_topdir $tmp" --define "_buildhost h" tools.spec
rpm="rpm --root $tmp/root --define '_dbpath /db' --define '_db_backend sqlite'"
eval "$rpm --initdb"
eval "$rpm --justdb --nodeps -i $tmp/RPMS/noarch/*.rpm"
cp root/db/rpmdb.sqlite .
python3 - <<'PY' | db5.3_load -T -t hash -c db_pagesize=4096 Packages
import sqlite3
for n, blob in sqlite3.connect("rpmdb.sqlite").execute("select hnum, blob from Packages"):
    print("".join("\\%02x" % b for b in n.to_bytes(4, "little")))
    print("".join("\\%02x" % b for b in blob))
PY
python3 - <<'PY'
import sqlite3, struct, zlib
rows = sqlite3.connect("rpmdb.sqlite").execute("select hnum, blob from Packages").fetchall()
slots, blobs, at = b"", b"", 4096 // 16
for n, blob in rows:
    body = struct.pack("<4sIII", b"BlbS", n, 1, len(blob)) + blob
    body += b"\0" * (-(len(body) + 12) % 16) + struct.pack("<II4s", zlib.adler32(body), len(blob), b"BlbE")
    slots += struct.pack("<4sIII", b"Slot", n, at, len(body) // 16)
    blobs, at = blobs + body, at + len(body) // 16
free = (4096 - 32 - len(slots)) // 16
head = struct.pack("<4sIIII", b"RpmP", 0, 1, 1, len(rows) + 1).ljust(32, b"\0")
open("Packages.db", "wb").write(head + slots + struct.pack("<4sIII", b"Slot", 0, 0, 0) * free + blobs)
PY
for f in rpmdb.sqlite Packages.db Packages; do gzip -9n <$f >"$here/$f.gz"; done
