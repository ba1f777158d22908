package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"demine/internal/lease"
	"demine/internal/report"
	"demine/internal/respond"
)

func (a *app) leaseApproveCommand() *cobra.Command {
	var json, dry bool
	cmd := &cobra.Command{
		Use: "approve LEASE|FILE|-", Short: a.c.Say("help.lease.approve"), Long: a.c.Say("help.lease.approve.long"), Args: oneArg,
		DisableFlagsInUseLine: true, ValidArgsFunction: a.leaseNames(true, lease.Requested),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, agreed, err := a.approved(cmd, args)
			if err != nil {
				return err
			}
			out, err := a.leases().Approve(cmd.Context(), id, agreed, dry, a.noProbe)
			return a.leaseAnswer(cmd.Context(), id, out, err, json)
		},
	}
	cmd.Flags().BoolVar(&json, "json", false, a.c.Say("help.flag.json"))
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, a.c.Say("help.flag.lease-dry-run"))
	a.probeFlag(cmd)
	return cmd
}

// approved names the request, and of a file what it has to be: whoever read the
// file approves that and nothing else. The host's own record is what counts: the
// file protects nothing, and needs no protection.
func (a *app) approved(cmd *cobra.Command, args []string) (id string, agreed func(*lease.Lease) error, err error) {
	if len(args) != 1 || lease.IsName(args[0]) {
		id, err = leaseID(cmd, args)
		return id, nil, err
	}
	v, err := readRequest(args[0], cmd.InOrStdin())
	if id, ok := lease.Named(args[0]); ok && errors.Is(err, fs.ErrNotExist) {
		return id, nil, nil
	}
	if err != nil {
		return "", nil, failed("cli.lease-file", "file", args[0], "error", err.Error())
	}
	here := a.leases().Host()
	if v.Host != here {
		return "", nil, failed("cli.lease-elsewhere", "file", args[0], "host", v.Host, "here", here, "command", approveThere(v, args[0]))
	}
	return v.ID, func(le *lease.Lease) error {
		if field := v.Differs(report.NewRequestView(le, here)); field != "" {
			return respond.Refuse("refuse.lease.altered", "file", args[0], "id", v.ID, "field", field)
		}
		return nil
	}, nil
}

// approveThere is how a request is approved on its own host.
func approveThere(v report.LeaseView, file string) string {
	line := "ssh " + shellWord(v.Host) + " sudo demine lease approve "
	if file == "-" { // what came in by it is gone
		return line + v.ID
	}
	return line + "- < " + shellWord(file)
}

func readRequest(name string, in io.Reader) (report.LeaseView, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return report.LeaseView{}, err
		}
		defer f.Close()
		in = f
	}
	return report.ReadRequest(in)
}
