// Package delete deletes cells.
package delete

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/waiting"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/topology"
)

// goneIn is how long a cell may take to go: a deletion takes KubeFed ten seconds at least.
const goneIn = 2 * time.Minute

// Options are the verb's arguments and flags.
type Options struct {
	// Name is the Cell's.
	Name string
	// Yes answers the question that is asked where the cell holds something.
	Yes bool
	// DryRun and Waiting are flags that several verbs have.
	DryRun  writing.DryRun
	Waiting waiting.Flags

	kube      *kube.Kube
	namespace string
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete CELL",
		Short: "Delete a cell that nothing is placed on",
		Long: `Delete a cell, and wait until it is gone. What is released to it is not: a cell that federated objects place, or still are on,
stays until they do not and are not. They are named first.

A deletion cannot be taken back. Where something is placed on the cell you are therefore asked, or have to give --yes.`,
		Example: `
# Delete a cell
kubectl cells delete rz00b -n acme

# See what places it
kubectl cells delete rz00b -n acme --dry-run=client`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completion.Cell(o.kube),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Complete(args); err != nil {
				return err
			}
			if err := o.Validate(); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVarP(&o.Yes, "yes", "y", false, "Delete the cell though something is placed on it, without asking: it goes once nothing is.")
	o.DryRun.AddFlag(cmd)
	o.Waiting.AddFlags(cmd, "the cell is gone", goneIn)
	return cmd
}

// Complete finds out the namespace.
func (o *Options) Complete(args []string) error {
	o.Name = args[0]
	var err error
	o.namespace, _, err = o.kube.Namespace()
	return err
}

// Validate refuses values that are not known.
func (o *Options) Validate() error {
	if err := o.DryRun.Validate(); err != nil {
		return err
	}
	return o.Waiting.Validate()
}

// Run deletes the cell.
func (o *Options) Run(ctx context.Context) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	cell, err := o.kube.Cell(ctx, o.namespace, o.Name)
	if err != nil {
		return err
	}
	fleet, err := o.kube.Fleet(ctx, o.namespace)
	if err != nil {
		return err
	}
	if note := fleet.Note(); note != "" {
		fmt.Fprintf(o.kube.ErrOut, "note: %s\n", note)
	}
	placed := Placed(fleet, o.namespace, o.Name)
	if len(placed) > 0 {
		fmt.Fprintf(o.kube.ErrOut, "note: still placed on the cell, which stays until nothing is: %s\n", strings.Join(placed, ", "))
		if o.DryRun.Writes() {
			if err := writing.Confirm(o.kube.IOStreams, "Delete the cell "+o.Name+"?", o.Yes); err != nil {
				return err
			}
		}
	}
	if !o.DryRun.Client() {
		err := c.Delete(ctx, cell, client.Preconditions{UID: &cell.UID}, &client.DeleteOptions{DryRun: o.DryRun.Options()})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete the cell %q: %w", o.Name, err)
		}
	}
	if o.DryRun.Writes() && o.Waiting.Wait {
		if err := o.wait(ctx, c, cell); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(o.kube.Out, "%s %s%s\n", writing.Reference("Cell", v1alpha1.GroupVersion.Group, o.Name), o.done(len(placed) > 0, fleet.Note() != ""), o.DryRun.Suffix())
	return err
}

// done says what became of the cell, or would.
func (o *Options) done(placed, hidden bool) string {
	switch {
	case placed && !o.DryRun.Writes():
		return "would stay: its deletion waits for what is placed on it"
	case hidden && !o.DryRun.Writes():
		return "deleted, unless something is placed on it that you may not read"
	case !o.DryRun.Writes() || o.Waiting.Wait:
		return "deleted"
	case placed:
		return "is being deleted, and goes once nothing is placed on it"
	default:
		return "is being deleted"
	}
}

// Placed names the federated objects that are on a cell, or placed there. The FederatedNamespace that cellfed made for the cells is
// not one of them: it is placed on every cell as long as there is one.
func Placed(fleet *kube.Fleet, namespace, cell string) []string {
	generated := map[string]bool{}
	for _, t := range fleet.Objects {
		for i := range t.Items {
			if t.Items[i].GetLabels()[v1alpha1.GeneratedLabel] == "true" {
				generated[t.Name+"/"+t.Items[i].GetNamespace()+"/"+t.Items[i].GetName()] = true
			}
		}
	}
	var placed []string
	for _, m := range matrix.OfFleet(fleet, time.Time{}) {
		if m.Namespace != namespace || generated[m.Type+"/"+m.Namespace+"/"+m.Name] {
			continue
		}
		for i := range m.Rows {
			if m.Rows[i].KubeFedCluster == topology.CellClusterName(namespace, cell) {
				placed = append(placed, m.Type+"/"+m.Name)
			}
		}
	}
	return placed
}

// wait waits until the cell is gone.
func (o *Options) wait(ctx context.Context, c client.Client, cell *v1alpha1.Cell) error {
	watched := []kube.Watched{{List: &v1alpha1.CellList{}, Options: []client.ListOption{client.InNamespace(o.namespace)}}}
	err := o.Waiting.For(ctx, o.kube, "the cell "+o.Name+" to go", watched, func(ctx context.Context) (bool, string, error) {
		current := &v1alpha1.Cell{}
		switch err := c.Get(ctx, client.ObjectKeyFromObject(cell), current); {
		case apierrors.IsNotFound(err):
			return true, "", nil
		case err != nil:
			return false, "", fmt.Errorf("read the cell %q: %w", o.Name, err)
		}
		blocked := meta.FindStatusCondition(current.Status.Conditions, string(v1alpha1.ConditionDeletionBlocked))
		state := "the manager has not reported on its deletion yet"
		if blocked != nil {
			state = blocked.Reason + ": " + blocked.Message
		}
		return current.UID != cell.UID, state, nil
	})
	if err != nil {
		return fmt.Errorf("%w; its deletion goes on", err)
	}
	return nil
}
