// Package disable ends the federation of a type.
package disable

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// defaultTimeout is how long it is waited for KubeFed to stop.
const defaultTimeout = time.Minute

// Options are the verb's arguments and flags.
type Options struct {
	// Type names the federated type.
	Type string
	// KeepObjects, DeleteCRD, Yes, DryRun and Timeout are the flags.
	KeepObjects bool
	DeleteCRD   bool
	Yes         bool
	DryRun      writing.DryRun
	Timeout     time.Duration

	kube *kube.Kube
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command { return newCommand(&Options{kube: k}) }

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "disable TYPE",
		Short: "End the federation of a type",
		Long: `End the federation of a type: have KubeFed stop propagating it, wait until it reports so, and delete the FederatedTypeConfig, with the
FederatedTypePolicy if there is one and, with --delete-crd, the CRD of the federated kind before. A type that cellfed propagates has to be handed
back first.

Nothing is deleted in a member: what was propagated stays there, as it is, and carries the federation's labels. Objects of the type are deleted
beforehand, so that what they put into the members goes with them; with --keep-objects they stay, and do nothing until the type is enabled again.

It can be run again where it ended: a step that is done is left out.`,
		Example: `
# See what it means
kubectl cells disable widgets.example.com --dry-run

# End it, and leave no trace in the host cluster
kubectl cells disable widgets.example.com --delete-crd --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completion.Types(o.kube),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Type = args[0]
			if err := o.Validate(); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.KeepObjects, "keep-objects", false, "Leave the objects of the type where they are, in the host cluster and in the members.")
	flags.BoolVar(&o.DeleteCRD, "delete-crd", false, "Delete the CRD of the federated kind too. There must be no object of it.")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "Do not ask.")
	flags.DurationVar(&o.Timeout, "timeout", defaultTimeout, "How long to wait until KubeFed reports that it stopped; the exit code is 3 if it does not.")
	o.DryRun.AddFlag(cmd)
	return cmd
}

// Validate refuses what cannot be.
func (o *Options) Validate() error {
	if o.Timeout <= 0 {
		return exit.Usagef("--timeout %s is no time to wait: give one such as 1m", o.Timeout)
	}
	return o.DryRun.Validate()
}

// Run ends the federation of the type.
func (o *Options) Run(ctx context.Context) error {
	in, err := o.gather(ctx)
	if err != nil {
		return err
	}
	p, err := decide(in)
	if err != nil {
		return err
	}
	fmt.Fprintln(o.kube.ErrOut, strings.Join(p.told, "\n"))
	if o.DryRun.Writes() {
		if err := writing.Confirm(o.kube.IOStreams, fmt.Sprintf("Disable %s?", in.config.Name), o.Yes); err != nil {
			return err
		}
	}
	return o.carryOut(ctx, in, p)
}
