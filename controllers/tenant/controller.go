// Package tenant gives what is in a host Namespace the labels that say whose the Namespace is.
//
// Admission writes them with every other change of an object. Here they are written when it is the Namespace that
// changes, and once for everything when a manager begins to lead, for what happened while there was none. Federated
// objects are not cached for that: a change is rare, and then the API server is asked for the metadata of those alone
// whose labels are not right.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

const (
	name = "tenant"

	// workers are several, so that a namespace with many objects holds up no other.
	workers = 4
	// DefaultSecondLook is how long after a change of a Namespace it is looked at again when Options do not say.
	DefaultSecondLook = 10 * time.Second
	// page is how many objects are asked for at a time.
	page = 500
	// batch is how many objects are written until others have their turn.
	batch = 500
	// soon is how long it takes until what is left of a batch is gone on with.
	soon = time.Millisecond

	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
)

// tenantLabels are the labels that say whose something is.
var tenantLabels = []string{v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel}

// Options are what the controller needs beside a manager.
type Options struct {
	// KubeFedNamespace is the namespace that upstream KubeFed runs in. It must not be empty.
	KubeFedNamespace string
	// SecondLook is how long after a change of a Namespace it is looked at again, for what admission has written
	// meanwhile on a replica that had not heard of the change. Zero means DefaultSecondLook.
	SecondLook time.Duration
}

// work is what is looked at in one go.
type work struct {
	// config is the name of the FederatedTypeConfig of a federated type. Empty stands for Cells.
	config string
	// namespace is where. Empty stands for everywhere: those namespaces are found out in which there is something to do.
	namespace string
	// again tells the second look from the first.
	again bool
}

// Reconciler labels what is in Namespaces.
type Reconciler struct {
	options Options
	// client reads from the manager's cache, live from the API server.
	client client.Client
	live   client.Reader
	page   int64
	batch  int
	// queue is the controller's own.
	queue workqueue.TypedInterface[work]
}

// Federated types are granted, to be read and patched, by a ClusterRole that aggregates.
//
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=cellfed.io,resources=cells,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=federatedtypeconfigs,verbs=get;list;watch
// +kubebuilder:rbac:groups=cellfed.io,namespace=kube-federation-system,resources=federatedtypepolicies,verbs=get;list;watch

// SetupWithManager adds the controller to the manager. It runs on the leader only.
func SetupWithManager(mgr ctrl.Manager, options Options) error {
	if options.KubeFedNamespace == "" {
		return errors.New("set up the tenant controller: KubeFedNamespace is empty: name the namespace that KubeFed runs in")
	}
	if options.SecondLook == 0 {
		options.SecondLook = DefaultSecondLook
	}
	r := &Reconciler{options: options, client: mgr.GetClient(), live: mgr.GetAPIReader(), page: page, batch: batch}
	inNamespace := predicate.NewTypedPredicateFuncs(func(c *fedv1b1.FederatedTypeConfig) bool { return c.Namespace == options.KubeFedNamespace })
	err := builder.TypedControllerManagedBy[work](mgr).
		Named(name).
		WithOptions(controller.TypedOptions[work]{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[work](firstRetry, lastRetry),
		}).
		WatchesRawSource(source.TypedFunc[work](r.begin)).
		WatchesRawSource(source.TypedKind(mgr.GetCache(), newNamespace(), r.onNamespace())).
		WatchesRawSource(source.TypedKind(mgr.GetCache(), &fedv1b1.FederatedTypeConfig{}, onType(), inNamespace)).
		Complete(r)
	if err != nil {
		return fmt.Errorf("set up the tenant controller: %w", err)
	}
	return nil
}

// newNamespace returns what a Namespace is watched and read as.
func newNamespace() *metav1.PartialObjectMetadata {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return namespace
}

// begin looks for what was missed, among Cells. Among federated objects each type's FederatedTypeConfig has it done.
func (r *Reconciler) begin(_ context.Context, queue workqueue.TypedRateLimitingInterface[work]) error {
	r.queue = queue
	queue.Add(work{})
	return nil
}

// onNamespace looks at what is in a Namespace that changes hands. In one that is new there is nothing yet.
func (r *Reconciler) onNamespace() handler.TypedEventHandler[*metav1.PartialObjectMetadata, work] {
	return handler.TypedFuncs[*metav1.PartialObjectMetadata, work]{
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*metav1.PartialObjectMetadata], queue workqueue.TypedRateLimitingInterface[work]) {
			if len(wrong(e.ObjectOld.Labels, e.ObjectNew.Labels)) == 0 {
				return
			}
			log.FromContext(ctx).Info("A Namespace changed hands", "namespace", e.ObjectNew.Name,
				v1alpha1.TenantLabel, e.ObjectNew.Labels[v1alpha1.TenantLabel], v1alpha1.WorkspaceGroupLabel, e.ObjectNew.Labels[v1alpha1.WorkspaceGroupLabel])
			for _, config := range append(r.configs(ctx), "") {
				queue.Add(work{config: config, namespace: e.ObjectNew.Name})
				queue.AddAfter(work{config: config, namespace: e.ObjectNew.Name, again: true}, r.options.SecondLook)
			}
		},
	}
}

// configs returns the names of the FederatedTypeConfigs that there are.
func (r *Reconciler) configs(ctx context.Context) []string {
	list := &fedv1b1.FederatedTypeConfigList{}
	if err := r.client.List(ctx, list, client.InNamespace(r.options.KubeFedNamespace), client.UnsafeDisableDeepCopy); err != nil {
		// The list comes from a cache, which fails only while the manager stops.
		log.FromContext(ctx).Error(err, "Cannot list FederatedTypeConfigs")
		return nil
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

// onType looks for what was missed among the objects of a type that is new, or that was there when the manager began.
func onType() handler.TypedEventHandler[*fedv1b1.FederatedTypeConfig, work] {
	return handler.TypedFuncs[*fedv1b1.FederatedTypeConfig, work]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*fedv1b1.FederatedTypeConfig], queue workqueue.TypedRateLimitingInterface[work]) {
			queue.Add(work{config: e.Object.Name})
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*fedv1b1.FederatedTypeConfig], queue workqueue.TypedRateLimitingInterface[work]) {
			if e.ObjectOld.Spec.FederatedType != e.ObjectNew.Spec.FederatedType {
				queue.Add(work{config: e.ObjectNew.Name})
			}
		},
	}
}

// Reconcile implements reconcile.TypedReconciler.
func (r *Reconciler) Reconcile(ctx context.Context, w work) (reconcile.Result, error) {
	kind, err := r.kindOf(ctx, w.config)
	if err != nil || kind.Empty() {
		return reconcile.Result{}, err
	}
	if w.namespace == "" {
		return reconcile.Result{}, r.sweep(ctx, w.config, kind)
	}
	owner, err := r.namespace(ctx, w.namespace)
	if owner == nil || err != nil {
		return reconcile.Result{}, err
	}
	written, more, err := r.relabel(ctx, kind, owner)
	if written > 0 {
		relabeled.WithLabelValues(kind.Kind).Add(float64(written))
		log.FromContext(ctx).Info("Labeled what is in a Namespace", "namespace", w.namespace, "kind", kind.Kind, "count", written)
	}
	if more {
		return reconcile.Result{RequeueAfter: soon}, nil
	}
	return reconcile.Result{}, err
}
