package masking

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federated"
)

const (
	// defaultTimeout is how long --wait waits.
	defaultTimeout = 5 * time.Minute
	// namespaceKind is the kind whose objects say where the others of their namespaces may go.
	namespaceKind = "FederatedNamespace"
)

// Change is a change of a mask, as a command line asks for it.
type Change struct {
	// Object is TYPE/NAME.
	Object string
	// Intent is what is wanted.
	Intent Intent
	// DryRun, Force, Wait, Timeout and Output are the flags.
	DryRun  writing.DryRun
	Force   bool
	Wait    bool
	Timeout time.Duration
	Output  writing.Output

	kube *kube.Kube
	// pause waits between two attempts.
	pause func(ctx context.Context, attempt int) error
}

// NewChange returns a change of something in the host cluster.
func NewChange(k *kube.Kube) *Change { return &Change{kube: k, pause: pause} }

// AddFlags adds the flags that all such verbs have.
func (c *Change) AddFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&c.Force, "force-conflicts", false, "Take the mask over where another field manager has set it.")
	flags.BoolVar(&c.Wait, "wait", false, "Wait until all that is released is in sync and available; the exit code is 3 if it is not in time.")
	flags.DurationVar(&c.Timeout, "timeout", defaultTimeout, "How long --wait waits.")
	c.DryRun.AddFlag(cmd)
	c.Output.AddFlag(cmd)
}

// Validate refuses what does not go together.
func (c *Change) Validate(timeoutGiven bool) error {
	if err := c.DryRun.Validate(); err != nil {
		return err
	}
	if err := c.Output.Validate(); err != nil {
		return err
	}
	switch {
	case timeoutGiven && !c.Wait:
		return exit.Usagef("--timeout is for --wait: give both, or none")
	case c.Timeout <= 0:
		return exit.Usagef("--timeout %s is no time to wait: give one such as 5m", c.Timeout)
	case c.Wait && !c.DryRun.Writes():
		return exit.Usagef("--wait and --dry-run do not go together: nothing would come to be waited for")
	}
	_, _, err := kube.SplitObject([]string{c.Object})
	return err
}

// Run plans the change, tells what it means, makes it, and waits for it if it is to.
func (c *Change) Run(ctx context.Context) error {
	t, object, err := c.kube.Object(ctx, []string{c.Object})
	if err != nil {
		return err
	}
	plan, err := c.plan(ctx, t, object)
	if err != nil {
		return err
	}
	if plan.Changes {
		c.tell(plan)
		if object, plan, err = c.make(ctx, t, object, plan); err != nil {
			return err
		}
	}
	reference := writing.Reference(t.Federated.Kind, t.Federated.Group, object.GetName())
	if err := c.Output.Print(c.kube.Out, plan.Sentence(reference)+c.DryRun.Suffix(), object, reference); err != nil || !c.Wait {
		return err
	}
	return c.wait(ctx, t, object)
}

// tell says what the change means, before it is made.
func (c *Change) tell(plan Plan) {
	for _, line := range plan.Told {
		fmt.Fprintln(c.kube.ErrOut, line)
	}
}

// plan plans the change of an object as it was read.
func (c *Change) plan(ctx context.Context, t kube.Type, object *unstructured.Unstructured) (Plan, error) {
	s, err := Read(ctx, c.kube, t, object)
	if err != nil {
		return Plan{}, err
	}
	if object.GetNamespace() != "" && t.Federated.Kind != namespaceKind {
		if s.Namespace, s.NamespaceKnown, err = namespaceOf(ctx, c.kube, object.GetNamespace()); err != nil {
			return Plan{}, err
		}
	}
	return New(s, c.Intent)
}

// Read reads what a plan needs beside the object.
func Read(ctx context.Context, k *kube.Kube, t kube.Type, object *unstructured.Unstructured) (State, error) {
	decoded, err := federated.Decode(object)
	if err != nil {
		return State{}, err
	}
	s := State{Type: t, Object: decoded}
	if object.GetNamespace() == "" {
		return s, nil
	}
	s.Cells, err = k.Cells(ctx, object.GetNamespace())
	if apierrors.IsForbidden(err) {
		s.CellsHidden = true
		return s, nil
	}
	return s, err
}

// namespaceOf reads the FederatedNamespace of a namespace, nil for none. What cannot be told is not known.
func namespaceOf(ctx context.Context, k *kube.Kube, namespace string) (own *federated.Object, known bool, err error) {
	types, err := k.Types(ctx)
	if err != nil {
		return nil, false, err
	}
	at := slices.IndexFunc(types, func(t kube.Type) bool { return t.Federated.Kind == namespaceKind })
	if at < 0 {
		return nil, false, nil
	}
	c, err := k.Client()
	if err != nil {
		return nil, false, err
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(types[at].Federated)
	err = c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: namespace}, object)
	switch {
	case apierrors.IsNotFound(err):
		return nil, true, nil
	case apierrors.IsForbidden(err) || meta.IsNoMatchError(err):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("read the FederatedNamespace %q: %w", namespace, err)
	}
	own, err = federated.Decode(object)
	return own, err == nil, err
}
