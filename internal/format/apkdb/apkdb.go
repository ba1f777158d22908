// Package apkdb reads the database of installed packages of apk
// (/lib/apk/db/installed; apk-tools, src/database.c, apk_db_fdb_read): blocks of
// lines "X:value", of which P is the package, F a folder, R a file in it and Z
// the checksum of that file, "Q1" and SHA-1 in base64.
package apkdb

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"

	"demine/internal/fact"
)

// File is a file as its package came with it.
type File struct {
	Path    string // absolute
	Package string
	SHA1    string // hex, lower case; empty: not told, or of another kind
}

// Files gives the files of the database that want asks for, in its order.
func Files(b []byte, want map[string]bool) (out []File) {
	var pkg, folder string
	var file *File
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		if len(line) < 2 || line[1] != ':' {
			if len(line) == 0 {
				pkg, folder, file = "", "", nil
			}
			continue
		}
		value := line[2:]
		switch line[0] {
		case 'P':
			pkg = fact.Text(value)
		case 'F':
			folder, file = string(value), nil
		case 'R':
			file = nil
			path := "/" + string(value)
			if folder != "" {
				path = "/" + folder + path
			}
			if want[path] && pkg != "" {
				out = append(out, File{Path: path, Package: pkg})
				file = &out[len(out)-1]
			}
		case 'Z':
			if file != nil {
				file.SHA1 = sum(value)
			}
		}
	}
	return out
}

func sum(v []byte) string {
	v, ok := bytes.CutPrefix(v, []byte("Q1"))
	b, err := base64.StdEncoding.DecodeString(string(v))
	if !ok || err != nil || len(b) != 20 {
		return ""
	}
	return hex.EncodeToString(b)
}
