package respond

import "io"

// maxRedisBlob bounds what is taken from the vault into memory.
const maxRedisBlob = 64 << 20

func readBlob(v Vault, b Blob) ([]byte, error) {
	r, err := v.Get(b)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxRedisBlob))
}
