package observe

import (
	"crypto/sha256"
	"encoding/hex"
	"io"

	"demine/internal/host"
)

// digest is the SHA-256 of a whole file, in hex; empty for one that is larger
// than what is searched, and for one that cannot be read to its end.
func digest(f host.File, size int64, buf []byte) string {
	if size > maxImage {
		return ""
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, io.NewSectionReader(f, 0, size), buf)
	if err != nil || n != size {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
