package observe

import (
	"demine/internal/fact"
	"demine/internal/format/authorizedkeys"
	"demine/internal/format/cloudinit"
)

// given are the files in which cloud-init keeps what the cloud gave the host at
// its start, of which root alone may read those of user-data.
var given = []struct {
	path fact.Path
	keys func([]byte) []string
}{
	{"/run/cloud-init/instance-data.json", cloudinit.InstanceData},
	{"/var/lib/cloud/instance/user-data.txt", cloudinit.UserData},
	{"/var/lib/cloud/instance/vendor-data.txt", cloudinit.UserData},
}

// givenKeys are the fingerprints of keys that the cloud gave the host. Only they
// are kept: user-data may hold secrets.
func (p *Part) givenKeys(v *View) map[string]bool {
	out := map[string]bool{}
	for _, f := range given {
		b, _, ok := p.read(v, f.path, maxConfig)
		if !ok {
			continue
		}
		for _, line := range f.keys(b) {
			for _, e := range authorizedkeys.Parse([]byte(line)) {
				out[e.Fingerprint] = true
			}
		}
	}
	return out
}
