// Package enable federates a type.
package enable

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/discovery"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// defaultTimeout is how long it is waited for what was made.
const defaultTimeout = 2 * time.Minute

// Options are the verb's arguments and flags.
type Options struct {
	// Type is the target type, as the host cluster serves it.
	Type string
	// Version, Propagator, DryRun, Output, Wait and Timeout are the flags.
	Version    string
	Propagator string
	DryRun     writing.DryRun
	Output     writing.Output
	Wait       bool
	Timeout    time.Duration

	kube *kube.Kube
	// served returns what tells what the host cluster serves.
	served func() (discovery.ServerResourcesInterface, error)
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k, served: func() (discovery.ServerResourcesInterface, error) {
		config, err := k.Config()
		if err != nil {
			return nil, err
		}
		return discovery.NewDiscoveryClientForConfig(config)
	}})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "enable TYPE",
		Short: "Federate a type",
		Long: `Federate a type that the host cluster serves, such as deployments.apps or that of a CRD: make the CRD of its federated kind and its
FederatedTypeConfig, as kubefedctl enable does, and with --propagator its FederatedTypePolicy. What is there already stays as it is; a type that
was disabled is enabled again.

It waits until the CRD serves v2beta1, the version that names cells, which cellfed's manager adds. With --propagator Cellfed it waits as well until
cellfed propagates the type: KubeFed never begins. A type that is enabled already changes its propagator by kubectl cells handover.

The type of a CRD has to be installed in the members too. Types other than Namespaces and cluster-scoped ones need namespaces to be federated.`,
		Example: `
# Deployments, propagated by cellfed
kubectl cells enable deployments.apps --propagator Cellfed

# What would be made, for git
kubectl cells enable widgets.example.com --dry-run=client -o yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Type = args[0]
			if err := o.Validate(); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Version, "version", "", "The version of the type that is written to the members; the host cluster's preferred one without it.")
	flags.StringVar(&o.Propagator, "propagator", "", "Who is to write the type to the members: Cellfed or KubeFed. Without it there is no policy, which means KubeFed.")
	flags.BoolVar(&o.Wait, "wait", true, "Wait until the type can be used; the exit code is 3 if it cannot be in time.")
	flags.DurationVar(&o.Timeout, "timeout", defaultTimeout, "How long --wait waits.")
	o.DryRun.AddFlag(cmd)
	o.Output.AddFlag(cmd)
	// It fails for a flag that is not there or completed already: neither can be.
	_ = cmd.RegisterFlagCompletionFunc("propagator", cobra.FixedCompletions(
		[]string{string(v1alpha1.PropagatorCellfed), string(v1alpha1.PropagatorKubeFed)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// Validate refuses what cannot be.
func (o *Options) Validate() error {
	switch v1alpha1.Propagator(o.Propagator) {
	case "", v1alpha1.PropagatorCellfed, v1alpha1.PropagatorKubeFed:
	default:
		return exit.Usagef("--propagator %q is not known: use Cellfed or KubeFed", o.Propagator)
	}
	if o.Timeout <= 0 {
		return exit.Usagef("--timeout %s is no time to wait: give one such as 2m, or --wait=false", o.Timeout)
	}
	if err := o.DryRun.Validate(); err != nil {
		return err
	}
	return o.Output.Validate()
}

// Run enables the type.
func (o *Options) Run(ctx context.Context) error {
	in, err := o.gather(ctx)
	if err != nil {
		return err
	}
	p, err := decide(in)
	if err != nil {
		return err
	}
	for _, note := range p.notes {
		fmt.Fprintln(o.kube.ErrOut, "note: "+note)
	}
	made, err := o.make(ctx, in, p)
	if err != nil {
		return err
	}
	if err := made.print(o); err != nil || !o.DryRun.Writes() {
		return err
	}
	if o.Wait {
		return o.wait(ctx, in)
	}
	if name := in.target.Name(); p.policy && in.wanted == v1alpha1.PropagatorCellfed {
		fmt.Fprintf(o.kube.ErrOut, "note: cellfed takes %s over in a moment: kubectl -n %s get federatedtypepolicies %s tells when it propagates the type\n",
			name, o.kube.KubeFedNamespace, name)
	}
	return nil
}
