// Package handover hands a federated type over from one propagator to the other.
package handover

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// defaultTimeout is how long it is waited for the end.
const defaultTimeout = 10 * time.Minute

// Options are the verb's arguments and flags.
type Options struct {
	// Type names the federated type.
	Type string
	// To, Yes, Force, DryRun, Output, Wait and Timeout are the flags.
	To      string
	Yes     bool
	Force   bool
	DryRun  writing.DryRun
	Output  writing.Output
	Wait    bool
	Timeout time.Duration

	kube *kube.Kube
	now  func() time.Time
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command { return newCommand(&Options{kube: k, now: time.Now}) }

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "handover TYPE --to (Cellfed | KubeFed)",
		Short: "Hand a type over to cellfed, or back to KubeFed",
		Long: `Hand a federated type over from KubeFed to cellfed, or back. One of them stops before the other starts, and nothing in a member is deleted,
recreated or rewritten by that.

First it looks at the type, its objects, the members and KubeFed, and tells what will happen and what stands against it. If something does, it
ends there: what KubeFed would release or write elsewhere keeps a type with cellfed. Then it asks, or needs --yes where nobody can be asked, and
sets spec.propagator of the FederatedTypePolicy; cellfed's manager does the rest. It waits until all is done, with the stored objects migrated,
and tells what it waits for; the exit code is 3 if it is not done in time. The hand-over goes on even if nobody waits, and the verb can be run
again to wait further.

With --dry-run it tells and changes nothing. -o json and yaml print the preflight then, in the fields type, from, to, unchanged, objects,
blockers, warnings and steps, and the policy otherwise.`,
		Example: `
# What would happen
kubectl cells handover deployments.apps --to Cellfed --dry-run

# Hand it over, in a script
kubectl cells handover deployments.apps --to Cellfed --yes --timeout 15m

# And back
kubectl cells handover deployments.apps --to KubeFed`,
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
	flags.StringVar(&o.To, "to", "", "Who is to propagate the type: Cellfed or KubeFed.")
	flags.BoolVarP(&o.Yes, "yes", "y", false, "Do not ask.")
	flags.BoolVar(&o.Force, "force-conflicts", false, "Take spec.propagator of the policy over where another field manager has set it.")
	flags.BoolVar(&o.Wait, "wait", true, "Wait until the hand-over is done.")
	flags.DurationVar(&o.Timeout, "timeout", defaultTimeout, "How long --wait waits.")
	o.DryRun.AddFlag(cmd)
	o.Output.AddFlag(cmd)
	// It fails for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(
		[]string{string(v1alpha1.PropagatorCellfed), string(v1alpha1.PropagatorKubeFed)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// Validate refuses what cannot be.
func (o *Options) Validate() error {
	switch v1alpha1.Propagator(o.To) {
	case v1alpha1.PropagatorCellfed, v1alpha1.PropagatorKubeFed:
	case "":
		return exit.Usagef("--to is missing: give --to Cellfed or --to KubeFed")
	default:
		return exit.Usagef("--to %q is not known: use Cellfed or KubeFed", o.To)
	}
	if o.Timeout <= 0 {
		return exit.Usagef("--timeout %s is no time to wait: give one such as 10m, or --wait=false", o.Timeout)
	}
	if err := o.DryRun.Validate(); err != nil {
		return err
	}
	return o.Output.Validate()
}

// Run looks, tells, asks, writes and waits.
func (o *Options) Run(ctx context.Context) error {
	f, err := o.gather(ctx)
	if err != nil {
		return err
	}
	r := preflight(f)
	if !o.DryRun.Writes() && o.Output != "" {
		if err := o.Output.Print(o.kube.Out, "", r, policyReference(r.Type)); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(o.kube.ErrOut, r.text())
	}
	if len(r.Blockers) > 0 {
		return fmt.Errorf("%s cannot be handed over to %s as it is: nothing was changed", r.Type, r.To)
	}
	if o.DryRun.Client() {
		return nil
	}
	object := any(f.policy)
	if r.Unchanged && f.policy != nil {
		kube.WithKind(f.policy)
	}
	if !r.Unchanged {
		if o.DryRun.Writes() {
			if err := writing.Confirm(o.kube.IOStreams, fmt.Sprintf("Hand %s over to %s?", r.Type, r.To), o.Yes); err != nil {
				return err
			}
		}
		if object, err = o.write(ctx, f); err != nil {
			return err
		}
	}
	if !o.DryRun.Writes() {
		return nil
	}
	done := fmt.Sprintf("%s: %s is to propagate the type", policyReference(r.Type), r.To)
	if r.Unchanged && f.policy == nil {
		// There is nothing to print and nothing to wait for: without a policy the type is KubeFed's.
		return nil
	}
	// Where nothing is written the preflight has said so, and a program still gets its object.
	if !r.Unchanged || o.Output != "" {
		if err := o.Output.Print(o.kube.Out, done, object, policyReference(r.Type)); err != nil {
			return err
		}
	}
	if !o.Wait {
		return nil
	}
	return o.wait(ctx, f)
}

func policyReference(name string) string {
	return writing.Reference("FederatedTypePolicy", v1alpha1.GroupVersion.Group, name)
}
