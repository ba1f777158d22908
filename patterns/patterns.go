// Package patterns holds the byte strings that tell what a file or a piece of
// memory is: the *.yaml files beside it, for people, of which the binary has
// only the encoded form. Otherwise demine would be taken for a miner itself.
package patterns

import (
	_ "embed"

	"demine/internal/format/pattern"
)

//go:generate go run ./gen

//go:embed patterns.bin
var encoded []byte

// Load gives the patterns in the order of their IDs. Compile them once and let
// them go: the compiled Set does not hold them in clear. The error is that of
// a broken build.
func Load() ([]pattern.Pattern, error) { return pattern.Decode(encoded) }
