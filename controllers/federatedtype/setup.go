package federatedtype

import (
	"context"
	"fmt"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/types"
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
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/certs"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	// name is the controller's, in logs, metrics and events.
	name = "federatedtype"

	// A webhook that is not up yet is tried again at first at once and then every half minute.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second

	// workers are several because each may wait for a webhook that does not answer.
	workers = 4
)

var crdListGVK = apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinitionList")

// Options are what the controller needs beside a manager.
type Options struct {
	// Namespace is the namespace that upstream KubeFed runs in, which holds the FTCs.
	Namespace string

	// Webhook is how API servers reach the conversion webhook. Its caBundle is not used.
	Webhook apiextensionsv1.WebhookClientConfig

	// CA is what they are to trust.
	CA certs.CABundle

	// Remove takes v2beta1 and the conversion from every CRD instead of adding them. No webhook is needed then.
	Remove bool

	// Prober tries a webhook before an API server is told of it. Nil means a ConversionReview by HTTPS.
	Prober Prober

	// StorageSettle is how long after a change of the stored version an API server may still store an object in the
	// version of before. Zero means storagemigration.DefaultSettle. A type's migration takes no less.
	StorageSettle time.Duration
}

// SetupWithManager adds the controller to the manager, whose scheme must know CRDs and upstream KubeFed's types. It runs
// on the leader only.
func SetupWithManager(mgr ctrl.Manager, opts Options) error {
	if opts.Namespace == "" || opts.CA == nil {
		return fmt.Errorf("setting up the controller %s: Options.Namespace and Options.CA must be set", name)
	}
	if _, err := federatedcrd.URL(opts.Webhook); err != nil {
		return fmt.Errorf("setting up the controller %s: Options.Webhook: %w", name, err)
	}
	if opts.Prober == nil {
		opts.Prober = HTTPSProber{}
	}
	r := &Reconciler{
		client:   mgr.GetClient(),
		live:     mgr.GetAPIReader(),
		recorder: mgr.GetEventRecorder("cellfed-" + name),
		states:   newStates(),
		options:  opts,
	}
	inNamespace := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetNamespace() == opts.Namespace })
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool { return strings.HasSuffix(o.GetName(), "."+federated.Group) })
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		For(&kubefedv1beta1.FederatedTypeConfig{}, builder.WithPredicates(inNamespace, predicate.GenerationChangedPredicate{})).
		WatchesMetadata(&apiextensionsv1.CustomResourceDefinition{}, handler.EnqueueRequestsFromMapFunc(r.forCRD), builder.WithPredicates(ours)).
		Watches(&v1alpha1.FederatedTypePolicy{}, handler.EnqueueRequestsFromMapFunc(withNamespaces), builder.WithPredicates(inNamespace, propagatorOrSpecChanged())).
		Watches(&kubefedv1beta1.FederatedTypeConfig{}, handler.EnqueueRequestsFromMapFunc(withNamespaces), builder.WithPredicates(inNamespace, predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.Channel(opts.CA.Changes(), handler.EnqueueRequestsFromMapFunc(r.forAll))).
		WithLogConstructor(logFor(mgr.GetLogger().WithName(name))).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller %s: %w", name, err)
	}
	return setupStorage(mgr, opts)
}

// propagatorChanged leaves out what a policy says beside who propagates the type.
func propagatorChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.FederatedTypePolicy)
		if !ok {
			return true
		}
		after, ok := e.ObjectNew.(*v1alpha1.FederatedTypePolicy)
		return !ok || before.UID != after.UID || before.Status.Propagator != after.Status.Propagator
	}}
}

// propagatorOrSpecChanged leaves out what the status of a policy says beside who propagates the type.
func propagatorOrSpecChanged() predicate.Predicate {
	return predicate.Or(propagatorChanged(), predicate.GenerationChangedPredicate{})
}

// withNamespaces returns the type, and that of the namespaces: whether FederatedNamespaces must be served in v1beta1 depends on
// who propagates the others.
func withNamespaces(_ context.Context, object client.Object) []reconcile.Request {
	key := client.ObjectKeyFromObject(object)
	return []reconcile.Request{{NamespacedName: key}, {NamespacedName: types.NamespacedName{Namespace: key.Namespace, Name: namespacesType}}}
}

// forCRD returns the FTCs that name the CRD, and the one on whose behalf it was changed, which may be gone.
func (r *Reconciler) forCRD(ctx context.Context, crd client.Object) []reconcile.Request {
	ftcs, err := r.ftcs(ctx)
	if err != nil {
		// A map function can return no error. The list comes from a cache, which only fails when it is stopped.
		log.FromContext(ctx).Error(err, "Ignored a change of a CRD", "crd", crd.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range ftcs {
		if crdName(&ftcs[i]) == crd.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&ftcs[i])})
		}
	}
	if namespace, ftc, ok := strings.Cut(federatedcrd.Owner(crd), "/"); ok && namespace == r.options.Namespace {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: ftc}})
	}
	return requests
}

// forAll returns every FTC.
func (r *Reconciler) forAll(ctx context.Context, _ client.Object) []reconcile.Request {
	ftcs, err := r.ftcs(ctx)
	if err != nil {
		log.FromContext(ctx).Error(err, "Ignored a change of the CA bundle")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(ftcs))
	for i := range ftcs {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&ftcs[i])})
	}
	return requests
}
