// Package uninstall removes cellfed in the order in which nothing is lost.
package uninstall

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/await"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/waiting"
	"github.com/cellfed/cellfed/internal/cli/writing"
)

// stepIn is how long a step may take: to hand a type back waits for KubeFed, and to store a type in another version for
// requests under way.
const stepIn = 10 * time.Minute

// Options are the verb's flags.
type Options struct {
	Choice
	// Deployment is the manager's name, where it cannot be told.
	Deployment string
	// Yes answers the question, DryRun prints the plan alone.
	Yes, DryRun bool
	// Timeout is how long one step may take.
	Timeout time.Duration

	kube *kube.Kube
	now  func() time.Time
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k, now: time.Now})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove cellfed in the safe order",
		Long: `Remove cellfed from the host in the order in which nothing is lost: hand every type back to KubeFed, delete the policies and the
cells, stop the manager, delete the webhook configurations, and take v2beta1 from the federated CRDs. Then it says how to remove
what is left, or does so with --all.

All federated objects stay, and KubeFed goes on to propagate them. What is propagated stays in the members. Only an empty
namespace of a cell goes with the cell, unless --keep-cells leaves the cells as they are.

It refuses where placement masks hold something back, which KubeFed would release, and where federated objects are on cells that
would be deleted, and names them.

The last step but one is done by a Job of the manager's own image, rights and certificates: objects that are stored in v2beta1 are
read by the conversion that it serves in the manager's place.

Each step is told before it is done. The command can be interrupted and run again: what is done is done.`,
		Example: `
# See what would be done, and what stands in the way
kubectl cells uninstall --dry-run

# Remove cellfed, and leave the cells and all that is on them
kubectl cells uninstall --keep-cells --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Timeout <= 0 {
				return exit.Usagef("--timeout %s is no time to wait: give one such as 10m", o.Timeout)
			}
			return o.Run(cmd.Context())
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&o.KeepCells, "keep-cells", false, "Leave the cells: they read as not ready, and no member loses anything.")
	fs.BoolVar(&o.All, "all", false, "Delete what is left too: the Deployment, Services, rights, certificates and, once there are no cells, cellfed's CRDs.")
	fs.StringVar(&o.Deployment, "deployment", "", "The manager's Deployment (default the one with the labels app.kubernetes.io/name=cellfed and component manager).")
	fs.BoolVarP(&o.Yes, "yes", "y", false, "Do it without asking.")
	fs.BoolVar(&o.DryRun, "dry-run", false, "Print the steps, and do none.")
	fs.DurationVar(&o.Timeout, "timeout", stepIn, "How long one step may take.")
	return cmd
}

// Run removes cellfed.
func (o *Options) Run(ctx context.Context) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	s, err := o.gather(ctx, c)
	if err != nil {
		return err
	}
	steps := Plan(s, o.Choice)
	o.tell(steps)
	if err := Refusal(s, o.Choice); err != nil {
		return err
	}
	if o.DryRun {
		return nil
	}
	if o.left(steps) {
		if err := writing.Confirm(o.kube.IOStreams, "Do this?", o.Yes); err != nil {
			return err
		}
	}
	for i, step := range steps {
		if step.Done {
			continue
		}
		fmt.Fprintf(o.kube.Out, "Step %d of %d: %s\n", i+1, len(steps), step.Text)
		if err := o.do(ctx, c, step.Act, s); err != nil {
			return fmt.Errorf("step %d of %d, to %s: %w; run this again to go on", i+1, len(steps), step.Act, err)
		}
	}
	_, err = fmt.Fprint(o.kube.Out, Farewell(s, o.Choice, o.kube.KubeFedNamespace))
	return err
}

func (o *Options) left(steps []Step) bool {
	for _, step := range steps {
		if !step.Done {
			return true
		}
	}
	return false
}

// tell tells the plan.
func (o *Options) tell(steps []Step) {
	for i, step := range steps {
		mark := ""
		if step.Done {
			mark = " (nothing to do)"
		}
		fmt.Fprintf(o.kube.Out, "%d. %s%s\n", i+1, step.Text, mark)
	}
}

func (o *Options) do(ctx context.Context, c client.WithWatch, act Act, s *Situation) error {
	switch act {
	case HandBack:
		return o.handBack(ctx, c, s)
	case DeletePolicies:
		return o.deletePolicies(ctx, c)
	case DeleteCells:
		return o.deleteCells(ctx, c)
	case StopManager:
		return o.stopManager(ctx, c, s.Manager.Name)
	case DeleteWebhooks:
		return o.deleteWebhooks(ctx, c)
	case RemoveVersion:
		return o.removeVersion(ctx, c, s.Manager.Name)
	default:
		return o.deleteRest(ctx, c)
	}
}

// wait waits for a step. The lists are of all that it looks at: nothing else makes it look again.
func (o *Options) wait(ctx context.Context, what, namespace string, look await.Look, lists ...client.ObjectList) error {
	waiter := waiting.Flags{Wait: true, Timeout: o.Timeout}
	var watched []kube.Watched
	for _, list := range lists {
		watched = append(watched, kube.Watched{List: list, Options: []client.ListOption{client.InNamespace(namespace)}})
	}
	return waiter.For(ctx, o.kube, what, watched, look)
}
