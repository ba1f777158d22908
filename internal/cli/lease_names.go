package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// leaseNames completes the name of a lease, or request, in one of these states;
// a file where files is set. Who may not read the records gets none.
func (a *app) leaseNames(files bool, states ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []cobra.Completion
		for _, le := range a.leases().InState(states...) {
			out = append(out, cobra.CompletionWithDesc(le.ID, fmt.Sprintf("%d/%s", le.Port, le.Proto)))
		}
		if files {
			return out, cobra.ShellCompDirectiveDefault
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
