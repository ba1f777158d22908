package cli

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// help writes what a command does, its flags and the exit statuses.
func (a *app) help(cmd *cobra.Command) {
	var b strings.Builder
	long := cmd.Long
	if long == "" {
		long = cmd.Short
	}
	b.WriteString(long + "\n\n" + a.c.Say("help.usage") + "\n  " + cmd.UseLine() + "\n")
	if subs := visible(cmd); len(subs) > 0 {
		b.WriteString("\n" + a.c.Say("help.commands") + "\n")
		for _, c := range subs {
			b.WriteString("  " + padded(c.Name(), 12) + c.Short + "\n")
		}
	}
	a.flags(&b, "help.flags", cmd.NonInheritedFlags())
	a.flags(&b, "help.global", cmd.InheritedFlags())
	b.WriteString("\n" + a.c.Say("help.exit") + "\n")
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\n" + a.c.Say("help.more") + "\n")
	}
	_, _ = io.WriteString(a.out, a.fold(b.String()))
}

func visible(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			out = append(out, c)
		}
	}
	return out
}

func (a *app) flags(b *strings.Builder, head string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	b.WriteString("\n" + a.c.Say(head) + "\n")
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "    --" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", --" + f.Name
		}
		if f.Value.Type() != "bool" {
			name += " " + placeholder(f)
		}
		b.WriteString("  " + padded(name, 23) + f.Usage + "\n")
	})
}

// placeholders name the values of flags in help.
var placeholders = map[string]string{
	"lang": "LANG", "color": "WHEN", "log-level": "LEVEL", "fail-on": "CLASS", "deep": "PATH", "yara": "FILE", "wire": "TIME", "from": "FILE", "state": "DIR",
	"keep": "ADDR", "incident": "ID", "finding": "ID", "revert": "TIME", "redis-bind": "ADDR", "redis-port": "PORT",
	"client-config": "FILE", "host": "NAME", "output": "FILE", "max-mb": "MB", "format": "WORD",
	"why": "TEXT", "until": "DAY", "end": "ID", "for": "TIME", "who": "TEXT",
}

// placeholder: a flag that means something else in one command says so itself.
func placeholder(f *pflag.Flag) string {
	if own := f.Annotations[placeholderNote]; len(own) > 0 {
		return own[0]
	}
	return placeholders[f.Name]
}

const placeholderNote = "placeholder"

func padded(s string, n int) string { return s + strings.Repeat(" ", max(1, n-len(s))) }

func (a *app) helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: a.c.Say("help.help"), DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || cmd == nil || len(rest) > 0 {
				return misused("demine --help", "cli.other-command", "name", strings.Join(args, " "))
			}
			a.help(cmd)
			return nil
		},
	}
}
