// Package get lists cells, and counts what each of them holds.
package get

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/printing"
)

// Options are the verb's arguments and flags.
type Options struct {
	// Names are the cells asked for. Without any, all are.
	Names []string
	// AllNamespaces, Selector, Watch and Print are the flags.
	AllNamespaces bool
	Selector      string
	Watch         bool
	Print         printing.Flags

	kube      *kube.Kube
	namespace string
	selector  labels.Selector
	now       func() time.Time
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k, now: time.Now})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get [CELL...]",
		Aliases: []string{"list"},
		Short:   "List cells, with their health and what they hold",
		Long: `List cells: whether each is ready, the cluster it is on, and how many federated objects are placed on it, are in sync, are held by
their placement mask, and have failed.

The counts are over all federated types of the namespace that you may read, by what the objects' status says. Of a type that
KubeFed propagates an object counts as in sync where KubeFed reports no fault. The verb asks no member.`,
		Example: `
# The cells of the namespace
kubectl cells get

# The cells of all namespaces in one city, with their target namespaces
kubectl cells get -A -l city=hangzhou -o wide

# Follow two cells
kubectl cells get rz00a rz01a --watch`,
		ValidArgsFunction: completion.Cells(o.kube),
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
	cmd.Flags().BoolVarP(&o.AllNamespaces, "all-namespaces", "A", false, "List the cells of all namespaces.")
	cmd.Flags().StringVarP(&o.Selector, "selector", "l", "", "List the cells that this label selector selects.")
	cmd.Flags().BoolVarP(&o.Watch, "watch", "w", false, "Go on, and print a cell again whenever something of it changes.")
	o.Print.AddFlags(cmd)
	return cmd
}

// Complete finds out the namespace.
func (o *Options) Complete(args []string) error {
	o.Names = args
	if o.AllNamespaces {
		return nil
	}
	var err error
	o.namespace, _, err = o.kube.Namespace()
	return err
}

// Validate refuses what does not go together.
func (o *Options) Validate() error {
	if err := o.Print.Validate(); err != nil {
		return err
	}
	if len(o.Names) > 0 && o.AllNamespaces {
		return exit.Usagef("a cell cannot be named together with --all-namespaces: choose its namespace with -n")
	}
	if len(o.Names) > 0 && o.Selector != "" {
		return exit.Usagef("a cell cannot be named together with --selector: give one of them")
	}
	for _, name := range o.Names {
		if strings.Contains(name, "/") {
			return exit.Usagef("%q is not the name of a cell: give the name alone; for an object there is kubectl cells status TYPE/NAME", name)
		}
	}
	var err error
	if o.selector, err = labels.Parse(o.Selector); err != nil {
		return exit.Usagef("--selector %q: %w: write it as city=hangzhou,zone!=a", o.Selector, err)
	}
	return nil
}

// Run lists.
func (o *Options) Run(ctx context.Context) error {
	fleet, err := o.kube.Fleet(ctx, o.namespace)
	if err != nil {
		return err
	}
	if fleet.CellsHidden {
		// The note on what else is hidden would tell nothing.
		return fmt.Errorf("you may not list Cells%s: choose a namespace of yours with -n", o.where())
	}
	if note := fleet.Note(); note != "" {
		fmt.Fprintf(o.kube.ErrOut, "note: %s\n", note)
	}
	if o.Watch {
		return o.watch(ctx, fleet)
	}
	cells, missing := o.chosen(fleet.Cells)
	if err := o.print(o.rows(cells, fleet)); err != nil {
		return err
	}
	if len(cells) == 0 && len(missing) == 0 && !o.Print.Structured() {
		fmt.Fprintf(o.kube.ErrOut, "No cells found%s.\n", o.where())
	}
	if len(missing) > 0 {
		return errors.New(strings.Join(missing, "; ") + o.where() + ": choose another namespace with -n")
	}
	return nil
}

func (o *Options) where() string {
	if o.AllNamespaces {
		return ""
	}
	return fmt.Sprintf(" in the namespace %q", o.namespace)
}

// chosen returns the cells that are asked for, and what is to be said of those that are not there.
func (o *Options) chosen(cells []v1alpha1.Cell) (chosen []v1alpha1.Cell, missing []string) {
	for i := range cells {
		named := len(o.Names) == 0 || slices.Contains(o.Names, cells[i].Name)
		if named && o.selector.Matches(labels.Set(cells[i].Labels)) {
			chosen = append(chosen, cells[i])
		}
	}
	slices.SortFunc(chosen, byName)
	for _, name := range o.Names {
		if !slices.ContainsFunc(chosen, func(c v1alpha1.Cell) bool { return c.Name == name }) {
			missing = append(missing, fmt.Sprintf("cell %q not found", name))
		}
	}
	return chosen, missing
}

// watch prints the cells, and each again when what is told of it changes.
func (o *Options) watch(ctx context.Context, fleet *kube.Fleet) error {
	told := map[string]row{}
	first := true
	return o.kube.Follow(ctx, o.kube.Watched(fleet, o.namespace), func(ctx context.Context) (bool, error) {
		fleet, err := o.kube.Fleet(ctx, o.namespace)
		if err != nil {
			return false, err
		}
		cells, _ := o.chosen(fleet.Cells)
		var changed []row
		current := map[string]row{}
		for _, r := range o.rows(cells, fleet) {
			current[r.key()] = r
			if before, ok := told[r.key()]; !ok || !before.same(r, o.Print.Structured()) {
				changed = append(changed, r)
			}
		}
		for _, before := range sorted(told) {
			if _, ok := current[before.key()]; !ok {
				before.health, before.mood = "Deleted", printing.Dim
				changed = append(changed, before)
			}
		}
		told = current
		if len(changed) == 0 {
			return false, nil
		}
		err = o.printChanged(changed)
		if first {
			first, o.Print.NoHeaders = false, true
		}
		return false, err
	})
}

// printChanged prints rows, and under -o json or yaml one object after the other.
func (o *Options) printChanged(rows []row) error {
	if !o.Print.Structured() {
		return o.print(rows)
	}
	for i := range rows {
		if rows[i].health == "Deleted" {
			continue
		}
		if o.Print.Output == printing.FormYAML {
			fmt.Fprintln(o.kube.Out, "---")
		}
		if err := o.Print.Print(o.kube.Out, printing.Table{}, kube.WithKind(&rows[i].cell), nil); err != nil {
			return err
		}
	}
	return nil
}

// rows returns what is told of the cells.
func (o *Options) rows(cells []v1alpha1.Cell, fleet *kube.Fleet) []row {
	counts := matrix.Counts(matrix.OfFleet(fleet, o.now()))
	rows := make([]row, 0, len(cells))
	for i := range cells {
		rows = append(rows, newRow(cells[i], counts))
	}
	return rows
}
