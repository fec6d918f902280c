package cell

import (
	"context"
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/topology"
)

const (
	// claimIndex finds Cells by what they claim (Cell.Claim).
	claimIndex = "cell.claim"
	// clusterIndex finds Cells by the physical cluster that they name.
	clusterIndex = "cell.cluster"
	// targetIndex finds Cells by the namespace that they have in their physical cluster.
	targetIndex = "cell.target"
	// tokenIndex finds the Secrets of façade tokens by the cell that they were made for.
	tokenIndex = "token.cell"
)

var crdKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

// newCRDMetadata returns what a CRD is watched and read as: that it is there, and its UID, is all that is needed.
func newCRDMetadata() *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(crdKind)
	return object
}

func (r *Reconciler) setupIndexes(mgr ctrl.Manager) error {
	ctx := context.Background()
	indexer := mgr.GetFieldIndexer()
	for field, value := range map[string]func(*v1alpha1.Cell) string{
		claimIndex:   (*v1alpha1.Cell).Claim,
		clusterIndex: func(cell *v1alpha1.Cell) string { return cell.Spec.ClusterName },
		targetIndex:  (*v1alpha1.Cell).TargetNamespace,
	} {
		if err := indexer.IndexField(ctx, &v1alpha1.Cell{}, field, func(o client.Object) []string {
			return []string{value(o.(*v1alpha1.Cell))}
		}); err != nil {
			return err
		}
	}
	return indexer.IndexField(ctx, &corev1.Secret{}, tokenIndex, func(o client.Object) []string {
		if key, ok := generatedCell(o.GetLabels()); ok {
			return []string{key.String()}
		}
		return nil
	})
}

// generatedCell returns the cell that cellfed generated something with these labels for.
func generatedCell(labels map[string]string) (types.NamespacedName, bool) {
	key := types.NamespacedName{Namespace: labels[v1alpha1.NamespaceLabel], Name: labels[v1alpha1.CellLabel]}
	return key, key.Namespace != "" && key.Name != "" && generatedFor(labels, key.Namespace, key.Name)
}

func (r *Reconciler) inKubeFedNamespace() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(o client.Object) bool {
		return o.GetNamespace() == r.options.KubeFedNamespace
	})
}

// clusterChanged leaves out what upstream writes every few seconds: the time of its last probe.
func clusterChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*kubefedv1beta1.KubeFedCluster)
		if !ok {
			return true
		}
		after, ok := e.ObjectNew.(*kubefedv1beta1.KubeFedCluster)
		if !ok {
			return true
		}
		return before.UID != after.UID || healthOf(before) != healthOf(after) ||
			!reflect.DeepEqual(before.Spec, after.Spec) ||
			!maps.Equal(before.Labels, after.Labels) || !maps.Equal(before.Annotations, after.Annotations) ||
			!before.DeletionTimestamp.Equal(after.DeletionTimestamp) || !slices.Equal(before.Finalizers, after.Finalizers)
	}}
}

// specChanged leaves out changes of the status alone.
func specChanged() predicate.Predicate { return predicate.GenerationChangedPredicate{} }

// crdReplaced leaves out changes of a CRD's status: the CRD is another, or stores another version, only when its UID or
// its spec is another.
func crdReplaced() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetUID() != e.ObjectNew.GetUID() || e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration()
	}}
}

// propagatorChanged leaves out what a policy says beside who propagates the type.
func propagatorChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.FederatedTypePolicy)
		if !ok {
			return true
		}
		after, ok := e.ObjectNew.(*v1alpha1.FederatedTypePolicy)
		return !ok || before.WantedPropagator() != after.WantedPropagator() || before.Status.Propagator != after.Status.Propagator
	}}
}

// rivalsOf returns the other Cells that claim what this one does. Of an update, what was claimed before counts as well.
func (r *Reconciler) rivalsOf(ctx context.Context, o client.Object) []reconcile.Request {
	cell, ok := o.(*v1alpha1.Cell)
	if !ok {
		return nil
	}
	requests := r.cells(ctx, client.MatchingFields{claimIndex: cell.Claim()})
	return slices.DeleteFunc(requests, func(q reconcile.Request) bool {
		return q.NamespacedName == client.ObjectKeyFromObject(cell)
	})
}

// cellsOfCluster returns the Cell that a KubeFedCluster of this name stands for, whoever made it, and those on it.
func (r *Reconciler) cellsOfCluster(ctx context.Context, o client.Object) []reconcile.Request {
	requests := r.cells(ctx, client.MatchingFields{clusterIndex: o.GetName()})
	if namespace, name, ok := topology.SplitCellClusterName(o.GetName()); ok {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
	}
	return requests
}

func cellOfSecret(_ context.Context, o client.Object) []reconcile.Request {
	if key, ok := generatedCell(o.GetLabels()); ok {
		return []reconcile.Request{{NamespacedName: key}}
	}
	return nil
}

// cellsOfNamespace returns the Cells in a Namespace, and those that have the namespace of that name in their physical
// cluster: whether they may depends on whose the Namespace is.
func (r *Reconciler) cellsOfNamespace(ctx context.Context, o client.Object) []reconcile.Request {
	return append(r.cells(ctx, client.InNamespace(o.GetName())), r.cells(ctx, client.MatchingFields{targetIndex: o.GetName()})...)
}

// cellsOfType returns every Cell for the type that federates Namespaces, or for its policy.
func (r *Reconciler) cellsOfType(ctx context.Context, o client.Object) []reconcile.Request {
	if o.GetName() != namespacesType {
		return nil
	}
	return r.cells(ctx)
}

// cellsOfCRD returns every Cell for the CRD of federated Namespaces: it may have come, gone, or have got the field
// that says what a placement names.
func (r *Reconciler) cellsOfCRD(ctx context.Context, o client.Object) []reconcile.Request {
	config, err := r.namespacesConfig(ctx)
	if err != nil || config == nil || o.GetName() != federatedType(config).Resource.GroupResource().String() {
		return nil
	}
	return r.cells(ctx)
}

func (r *Reconciler) everyCell(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.cells(ctx)
}

// watchPlacements queues the Cells that a change of placements concerns: those that are being deleted, or any if it is
// the FederatedNamespace that changed.
func (r *Reconciler) watchPlacements(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	r.placements.OnChange(func(change placementcache.Change) {
		var options []client.ListOption
		if change.Namespace != "" {
			options = append(options, client.InNamespace(change.Namespace))
		}
		for _, cell := range r.list(ctx, options...) {
			if change.Type.Name == namespacesType || cell.DeletionTimestamp != nil {
				queue.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&cell)})
			}
		}
	})
	return nil
}

func (r *Reconciler) cells(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	cells := r.list(ctx, options...)
	requests := make([]reconcile.Request, len(cells))
	for i := range cells {
		requests[i].NamespacedName = client.ObjectKeyFromObject(&cells[i])
	}
	return requests
}

// list lists Cells from the cache, which fails only while the manager stops.
func (r *Reconciler) list(ctx context.Context, options ...client.ListOption) []v1alpha1.Cell {
	cells := &v1alpha1.CellList{}
	if err := r.client.List(ctx, cells, options...); err != nil {
		log.FromContext(ctx).Error(err, "Cannot list Cells")
		return nil
	}
	return cells.Items
}
