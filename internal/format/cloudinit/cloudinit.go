// Package cloudinit reads which public keys a cloud gave a host at its start,
// from what cloud-init keeps: instance-data.json (v1.public_ssh_keys; cloud-init
// documentation, "Instance metadata"), and user-data (ssh_authorized_keys;
// "Module reference", SSH).
package cloudinit

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxKeys bounds what is given of one file.
const maxKeys = 1000

// InstanceData gives the keys of the cloud's metadata, as lines of
// authorized_keys.
func InstanceData(b []byte) []string {
	var x struct {
		V1 struct {
			Keys []string `json:"public_ssh_keys"`
		} `json:"v1"`
	}
	if json.Unmarshal(b, &x) != nil {
		return nil
	}
	return x.V1.Keys[:min(len(x.V1.Keys), maxKeys)]
}

// UserData gives the keys that stand in user-data on lines of their own, which
// may be items of a list in YAML.
func UserData(b []byte) (out []string) {
	for line := range bytes.Lines(b) {
		key := strings.Trim(strings.TrimPrefix(strings.TrimSpace(string(line)), "- "), `"' `)
		if strings.HasPrefix(key, "ssh-") || strings.HasPrefix(key, "ecdsa-") || strings.HasPrefix(key, "sk-") {
			out = append(out, key)
		}
		if len(out) == maxKeys {
			break
		}
	}
	return out
}
