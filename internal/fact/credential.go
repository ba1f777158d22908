package fact

import "time"

// Credential is a file in which programs keep what lets them in elsewhere: a
// private key, a token, a password. Only that it is there is known; its content
// is never read.
type Credential struct {
	Ref      Ref       `json:"ref"`
	Kind     string    `json:"kind"` // see the list in observe/credential.go: ssh-key, aws, kubernetes, mysql, env …
	Path     Path      `json:"path"`
	Owner    string    `json:"owner"`
	Mode     uint32    `json:"mode"`
	Readers  []string  `json:"readers,omitempty"` // accounts besides root that can read it, or "everyone"
	Modified time.Time `json:"modified,omitzero"`
}

// CredentialRef identifies the file of a credential.
func CredentialRef(p Path) Ref { return Ref("credential:" + p.String()) }
