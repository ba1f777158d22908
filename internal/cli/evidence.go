package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"demine/internal/agent"
	"demine/internal/explain"
)

type evidenceFlags struct {
	out     string
	raw     bool
	maxSize int64
}

func (a *app) evidenceCommand() *cobra.Command {
	f := &evidenceFlags{}
	cmd := &cobra.Command{
		Use: "evidence", Short: a.c.Say("help.evidence"), Long: a.c.Say("help.evidence.long"), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.evidence(cmd.Context(), f) },
	}
	cmd.Flags().StringVarP(&f.out, "output", "o", "", a.c.Say("help.flag.output-evidence"))
	cmd.Flags().BoolVar(&f.raw, "raw", false, a.c.Say("help.flag.raw"))
	cmd.Flags().Int64Var(&f.maxSize, "max-mb", agent.EvidenceCap>>20, a.c.Say("help.flag.max-mb"))
	return cmd
}

func (a *app) evidence(ctx context.Context, f *evidenceFlags) error {
	if f.maxSize < 1 || f.maxSize > 10<<10 {
		return misused("demine evidence --max-mb 50", "cli.bad-size", "value", f.maxSize)
	}
	if f.out == "-" && a.terminal(a.out) {
		return misused("demine evidence -o - | ssh HOST 'cat > evidence.tar.gz'", "cli.binary-to-terminal")
	}
	ag, err := a.agent()
	if err != nil {
		return err
	}
	if m, cloud := ag.SnapshotFirst(); cloud {
		a.talk(a.c.Text(m))
	}
	t := a.comment()
	t.begin()
	s, err := ag.Look(ctx, agent.Want{KeepSnapshot: true}, t.event)
	t.end()
	if err != nil {
		return a.stopped(ctx, err)
	}
	return a.bundle(ctx, ag, s, f)
}

func (a *app) bundle(ctx context.Context, ag *agent.Agent, s *explain.Scan, f *evidenceFlags) error {
	name, w := f.out, io.Writer(a.out)
	if name == "" {
		name = fmt.Sprintf("demine-evidence-%s-%s.tar.gz", s.Host.Name, a.now().Format("20060102-150405"))
	}
	var file *os.File
	if name != "-" {
		var err error
		if file, err = agent.CreateEvidence(name); err != nil {
			return err
		}
		w = file
	}
	b, err := ag.Evidence(ctx, w, s, agent.Evidence{Cap: f.maxSize << 20, Raw: f.raw})
	if file != nil {
		if serr := file.Sync(); err == nil {
			err = serr
		}
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = os.Remove(name) // half a bundle would be taken for a whole one
		}
	}
	if err != nil {
		return a.stopped(ctx, err)
	}
	a.tellBundle(name, b, f.raw)
	return nil
}

// tellBundle says what was written; on stderr, since stdout may be the bundle.
func (a *app) tellBundle(name string, b agent.Bundle, raw bool) {
	if name == "-" {
		a.talk(a.c.Say("evidence.streamed", "size", b.Size, "n", len(b.Files), "sha256", b.SHA256))
	} else {
		a.talk(a.c.Say("evidence.written", "file", name, "size", b.Size, "n", len(b.Files), "sha256", b.SHA256))
	}
	for _, l := range b.Left {
		a.talk(a.c.Say("evidence.left", "what", l.What, "error", l.Error))
	}
	if raw {
		a.talk(a.c.Say("evidence.raw"))
	} else {
		a.talk(a.c.Say("evidence.masked"))
	}
	a.line(a.c.Say("evidence.decode", "command", b.Decode))
}
