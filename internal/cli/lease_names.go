package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"demine/internal/i18n"
	"demine/internal/relate"
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

// ruleWait is how long somebody who presses a key waits for names of rules: they are
// not stored, but read from the packet filter.
const ruleWait = time.Second

// ruleNames completes the name of a rule that lets others in, after other names.
func (a *app) ruleNames(others cobra.CompletionFunc, wanted func(*relate.OpenRule) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		out, how := others(cmd, args, begun)
		if len(args) > 0 || !isRule(begun) && !strings.HasPrefix("O-", begun) {
			return out, how
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), ruleWait)
		defer cancel()
		for _, o := range a.leases().OpenRules(ctx) {
			if o.Lease == "" && wanted(&o) {
				out = append(out, cobra.CompletionWithDesc(o.ID, i18n.Clean(o.Text)))
			}
		}
		return out, how
	}
}

// leasable: a lease can take the rule over.
func leasable(o *relate.OpenRule) bool {
	_, _, one := o.OnePort()
	return one && !o.Inverted
}

// withoutFiles sees to it that no shell offers files where none is meant; flags that
// are given as files take one.
func withoutFiles(cmd *cobra.Command, files ...string) {
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.NoOptDefVal != "" || slices.Contains(files, f.Name) {
			return
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions); err != nil {
			panic("cli: " + err.Error()) // twice
		}
	})
}
