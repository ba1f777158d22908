package relate

import (
	"demine/internal/fact"
	"demine/internal/format/shell"
)

// Shell is what the words of a command line say that it would do, for texts
// that no observer has read as one: the options of a key.
func Shell(command string) fact.Shell { return shell.Parse(command) }
