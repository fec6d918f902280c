// Package describe tells everything about one cell.
package describe

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/completion"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/topology"
)

// Options are the verb's arguments and flags.
type Options struct {
	// Name is the cell's.
	Name string
	// Events says whether events are told.
	Events bool

	kube      *kube.Kube
	namespace string
	now       func() time.Time
}

// New returns the verb.
func New(k *kube.Kube) *cobra.Command {
	return newCommand(&Options{kube: k, now: time.Now})
}

func newCommand(o *Options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "describe CELL",
		Short: "Tell everything about one cell",
		Long: `Tell everything about one cell: where it is, how it is and why, the KubeFedCluster that stands for it, how its physical cluster is,
every federated object of its namespace that is placed on it, and recent events.

What you may not read, as the people of a tenant may not read KubeFedClusters, is named and left out. The verb asks no member.`,
		Example: `
# The cell rz00a of the namespace
kubectl cells describe rz00a`,
		Args:              exactlyOne,
		ValidArgsFunction: completion.Cell(o.kube),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.Complete(args); err != nil {
				return err
			}
			return o.Run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.Events, "show-events", true, "Tell recent events of the cell.")
	return cmd
}

func exactlyOne(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return exit.Usagef("%d cells given: name one; kubectl cells get lists them", len(args))
	}
	return nil
}

// Complete finds out the namespace.
func (o *Options) Complete(args []string) error {
	o.Name = args[0]
	var err error
	o.namespace, _, err = o.kube.Namespace()
	return err
}

// Facts are what is known of a cell.
type Facts struct {
	Cell v1alpha1.Cell
	// Generated is the KubeFedCluster that stands for the cell, Physical that of the cluster that hosts it. Nil: there is
	// none. ClustersHidden says that they may not be read.
	Generated, Physical *kubefedv1beta1.KubeFedCluster
	ClustersHidden      bool
	// Objects are those of the cell's namespace.
	Objects []matrix.Matrix
	// Events are the cell's, the oldest first. EventsHidden says that they may not be read.
	Events       []corev1.Event
	EventsHidden bool
	// Note says what else is left out.
	Note string
}

// Run tells.
func (o *Options) Run(ctx context.Context) error {
	facts, err := o.gather(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(o.kube.Out, text(facts, o.Events, o.now())); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

func (o *Options) gather(ctx context.Context) (*Facts, error) {
	c, err := o.kube.Client()
	if err != nil {
		return nil, err
	}
	cell, err := o.kube.Cell(ctx, o.namespace, o.Name)
	if err != nil {
		return nil, err
	}
	facts := &Facts{Cell: *cell}
	if facts.Generated, err = o.cluster(ctx, c, facts, topology.CellClusterName(o.namespace, o.Name)); err != nil {
		return nil, err
	}
	if facts.Physical, err = o.cluster(ctx, c, facts, facts.Cell.Spec.ClusterName); err != nil {
		return nil, err
	}
	fleet, err := o.kube.Fleet(ctx, o.namespace)
	if err != nil {
		return nil, err
	}
	facts.Objects, facts.Note = matrix.OfFleet(fleet, o.now()), fleet.Note()
	return facts, o.events(ctx, c, facts)
}

// cluster returns a KubeFedCluster, or nil where there is none.
func (o *Options) cluster(ctx context.Context, c client.Client, facts *Facts, name string) (*kubefedv1beta1.KubeFedCluster, error) {
	cluster := &kubefedv1beta1.KubeFedCluster{}
	err := c.Get(ctx, client.ObjectKey{Namespace: o.kube.KubeFedNamespace, Name: name}, cluster)
	switch {
	case apierrors.IsForbidden(err):
		facts.ClustersHidden = true
		return nil, nil
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the KubeFedCluster %s: %w", name, err)
	}
	return cluster, nil
}

func (o *Options) events(ctx context.Context, c client.Client, facts *Facts) error {
	if !o.Events {
		return nil
	}
	list := &corev1.EventList{}
	err := c.List(ctx, list, client.InNamespace(o.namespace),
		client.MatchingFields{"involvedObject.kind": "Cell", "involvedObject.name": o.Name})
	if apierrors.IsForbidden(err) {
		facts.EventsHidden = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the events of the Cell %s: %w", o.Name, err)
	}
	for i := range list.Items {
		if uid := list.Items[i].InvolvedObject.UID; uid == facts.Cell.UID || uid == "" {
			facts.Events = append(facts.Events, list.Items[i])
		}
	}
	slices.SortStableFunc(facts.Events, func(a, b corev1.Event) int {
		return cmp.Or(lastSeen(&a).Compare(lastSeen(&b)), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

// lastSeen returns when an event last happened, of either of the two APIs that make events.
func lastSeen(e *corev1.Event) time.Time {
	latest := e.EventTime.Time
	for _, t := range []time.Time{e.LastTimestamp.Time, e.FirstTimestamp.Time} {
		if t.After(latest) {
			latest = t
		}
	}
	if e.Series != nil && e.Series.LastObservedTime.After(latest) {
		latest = e.Series.LastObservedTime.Time
	}
	return latest
}
