// Package create makes cells.
package create

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	k8svalidation "k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/join/membership"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/manifest/facts"
	"github.com/cellfed/cellfed/internal/cli/printing"
	"github.com/cellfed/cellfed/internal/cli/waiting"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/validation"
)

// readyIn is how long a cell may take to be ready: upstream looks at its KubeFedCluster every ten seconds, as it ships.
const readyIn = 2 * time.Minute

// Options are the verb's arguments and flags.
type Options struct {
	// Name is the Cell's, Cluster, TargetNamespace and Labels what it says.
	Name            string
	Cluster         string
	TargetNamespace string
	Labels          map[string]string
	// DryRun, Print and Waiting are flags that several verbs have.
	DryRun  writing.DryRun
	Print   printing.Flags
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
		Use:   "create CELL --cluster CLUSTER",
		Short: "Make a cell on a member",
		Long: `Make a cell, the place on one cluster that applications of the namespace are released to, and wait until objects can be
released to it.

It is judged first by the rules that admission goes by. Nothing is released to a cell by making it, unless a selector of a
federated object selects it by its labels. A cell that is there already is left as it is.`,
		Example: `
# A cell of the namespace acme on the cluster hz-a
kubectl cells create rz00a --cluster hz-a -n acme

# A second one on the same cluster, in a namespace of its own there, with labels for selectors
kubectl cells create rz00b --cluster hz-a --target-namespace acme-b --labels city=hangzhou,zone=b -n acme

# Write the manifest of a cell for a git repository
kubectl cells create rz00a --cluster hz-a --dry-run=client -o yaml`,
		Args: cobra.ExactArgs(1),
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
	fs := cmd.Flags()
	fs.StringVar(&o.Cluster, "cluster", "", "The KubeFedCluster that the cell is on.")
	fs.StringVar(&o.TargetNamespace, "target-namespace", "", "The cell's namespace in the cluster (default the name of the cell's own).")
	fs.StringToStringVar(&o.Labels, "labels", nil, "Labels of the cell, by which selectors find it, as city=hangzhou,zone=a.")
	// They fail for a flag that is not there, or is completed already: neither can be.
	_ = cmd.MarkFlagRequired("cluster")
	_ = cmd.RegisterFlagCompletionFunc("cluster", func(cmd *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		return membership.Complete(o.kube)(cmd, nil, toComplete)
	})
	o.DryRun.AddFlag(cmd)
	o.Print.AddFlags(cmd)
	o.Waiting.AddFlags(cmd, "the cell is ready", readyIn)
	return cmd
}

// Complete finds out the namespace.
func (o *Options) Complete(args []string) error {
	o.Name = args[0]
	var err error
	o.namespace, _, err = o.kube.Namespace()
	return err
}

// Validate refuses what cannot be.
func (o *Options) Validate() error {
	if msgs := k8svalidation.IsDNS1123Label(o.Name); len(msgs) > 0 {
		return exit.Usagef("CELL %q cannot be a name: %s", o.Name, msgs[0])
	}
	if msgs := k8svalidation.IsDNS1123Subdomain(o.Cluster); len(msgs) > 0 {
		return exit.Usagef("--cluster %q cannot be the name of a KubeFedCluster: %s", o.Cluster, msgs[0])
	}
	if o.TargetNamespace != "" {
		if msgs := k8svalidation.IsDNS1123Label(o.TargetNamespace); len(msgs) > 0 {
			return exit.Usagef("--target-namespace %q cannot be a namespace: %s", o.TargetNamespace, msgs[0])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o.Labels)) {
		if msgs := slices.Concat(k8svalidation.IsQualifiedName(key), k8svalidation.IsValidLabelValue(o.Labels[key])); len(msgs) > 0 {
			return exit.Usagef("--labels %s=%s cannot be a label: %s", key, o.Labels[key], msgs[0])
		}
	}
	if err := o.DryRun.Validate(); err != nil {
		return err
	}
	if err := o.Print.Validate(); err != nil {
		return err
	}
	return o.Waiting.Validate()
}

// Run makes the cell.
func (o *Options) Run(ctx context.Context) error {
	c, err := o.kube.Client()
	if err != nil {
		return err
	}
	cell := &v1alpha1.Cell{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: o.Name, Labels: o.Labels},
		Spec:       v1alpha1.CellSpec{ClusterName: o.Cluster, TargetNamespace: o.TargetNamespace},
	}
	if err := o.judge(ctx, c, cell); err != nil {
		return err
	}
	if !o.DryRun.Client() {
		err := c.Create(ctx, cell, o.DryRun.Create(kube.FieldManager))
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("the cell %q is in the namespace %q already: choose another name, or change it with kubectl edit cell %s", o.Name, o.namespace, o.Name)
		}
		if err != nil {
			return fmt.Errorf("create the cell %q: %w", o.Name, err)
		}
	}
	if !o.Print.Structured() {
		if err := o.tell(cell, "created"+o.DryRun.Suffix()); err != nil {
			return err
		}
	}
	if o.DryRun.Writes() && o.Waiting.Wait {
		if err := o.wait(ctx, c, cell); err != nil {
			return err
		}
		if o.Print.Output == "" {
			return o.tell(cell, "ready")
		}
	}
	if o.Print.Structured() {
		manifest, err := runtime.DefaultUnstructuredConverter.ToUnstructured(kube.WithKind(cell))
		if err != nil {
			return fmt.Errorf("print the cell %q: %w", o.Name, err)
		}
		// The status of a cell that was not made yet says nothing, and does not belong in a manifest.
		if o.DryRun.Client() {
			delete(manifest, "status")
		}
		return o.Print.Print(o.kube.Out, printing.Table{}, &unstructured.Unstructured{Object: manifest}, nil)
	}
	return nil
}

func (o *Options) tell(cell *v1alpha1.Cell, what string) error {
	name := writing.Reference("Cell", v1alpha1.GroupVersion.Group, cell.Name)
	if o.Print.Output != printing.FormName {
		name += " " + what
	}
	_, err := fmt.Fprintln(o.kube.Out, name)
	return err
}

// judge refuses what admission would refuse, whether or not it is asked. Its warnings come from the host cluster where that is
// asked.
func (o *Options) judge(ctx context.Context, c client.Client, cell *v1alpha1.Cell) error {
	known := facts.New(o.kube.KubeFedNamespace)
	if _, err := known.Load(ctx, c, []string{o.namespace}); err != nil {
		return err
	}
	result := validation.Cell(cell, nil, known.ForCell(cell))
	if len(result.Errors) > 0 {
		return fmt.Errorf("the cell %q cannot be made: %w", o.Name, result.Errors.ToAggregate())
	}
	if o.DryRun.Client() {
		for _, warning := range result.Warnings {
			fmt.Fprintf(o.kube.ErrOut, "Warning: %s\n", warning)
		}
	}
	return nil
}

// wait waits until objects can be released to the cell.
func (o *Options) wait(ctx context.Context, c client.Client, cell *v1alpha1.Cell) error {
	watched := []kube.Watched{{List: &v1alpha1.CellList{}, Options: []client.ListOption{client.InNamespace(o.namespace)}}}
	err := o.Waiting.For(ctx, o.kube, "the cell "+o.Name, watched, func(ctx context.Context) (bool, string, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(cell), cell); err != nil {
			return false, "", fmt.Errorf("read the cell %q: %w", o.Name, err)
		}
		ready := meta.FindStatusCondition(cell.Status.Conditions, string(v1alpha1.ConditionReady))
		switch {
		case ready == nil || ready.ObservedGeneration != cell.Generation:
			return false, "the manager has not reported on it yet", nil
		case ready.Status == metav1.ConditionTrue:
			return true, "", nil
		}
		return false, ready.Reason + ": " + ready.Message, nil
	})
	if err != nil {
		return fmt.Errorf("%w: the cell is there; kubectl cells describe %s tells more", err, o.Name)
	}
	return nil
}
