package federatedtypepolicy

import (
	"context"
	"fmt"
	"strings"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
)

const (
	// name is the controller's, in logs, metrics and events.
	name = "federatedtypepolicy"

	// DefaultQuietPeriod is how long nothing of upstream's may have been seen before cellfed begins.
	DefaultQuietPeriod = 10 * time.Second

	firstRetry = 500 * time.Millisecond
	lastRetry  = 30 * time.Second

	// workers are several because each may wait for a type to drain.
	workers = 4
)

// Options are what the controller needs beside a manager.
type Options struct {
	// Namespace is the namespace that upstream KubeFed runs in, which holds the policies.
	Namespace string

	// Runner runs the push reconciler.
	Runner engine.Runner

	// QuietPeriod is how long, after upstream has reported that it does not run a type any more, nothing of what it
	// was still writing may have been seen before cellfed begins. Zero means DefaultQuietPeriod.
	QuietPeriod time.Duration

	// Clock is for tests. Nil means the real one.
	Clock clock.PassiveClock
}

// SetupWithManager adds the controller to the manager, whose scheme must know CRDs, upstream KubeFed's types and
// cellfed's. It runs on the leader only.
func SetupWithManager(mgr ctrl.Manager, opts Options) error {
	if opts.Namespace == "" || opts.Runner == nil {
		return fmt.Errorf("setting up the controller %s: Options.Namespace and Options.Runner must be set", name)
	}
	if opts.QuietPeriod < 0 {
		return fmt.Errorf("setting up the controller %s: Options.QuietPeriod is %s: give a time that is not negative", name, opts.QuietPeriod)
	}
	if opts.QuietPeriod == 0 {
		opts.QuietPeriod = DefaultQuietPeriod
	}
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	if err := registerMetrics(mgr.GetClient(), opts.Namespace, mgr.Elected()); err != nil {
		return fmt.Errorf("setting up the controller %s: %w", name, err)
	}
	r := &Reconciler{
		client:   mgr.GetClient(),
		live:     mgr.GetAPIReader(),
		recorder: mgr.GetEventRecorder("cellfed-" + name),
		clock:    opts.Clock,
		options:  opts,
	}
	inNamespace := builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetNamespace() == opts.Namespace }))
	ours := builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool { return strings.HasSuffix(o.GetName(), "."+federated.Group) }))
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		For(&v1alpha1.FederatedTypePolicy{}, inNamespace).
		Watches(&fedv1b1.FederatedTypeConfig{}, &handler.EnqueueRequestForObject{}, inNamespace).
		WatchesMetadata(&apiextensionsv1.CustomResourceDefinition{}, handler.EnqueueRequestsFromMapFunc(r.forCRD), ours).
		WithLogConstructor(logFor(mgr.GetLogger().WithName(name))).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller %s: %w", name, err)
	}
	return nil
}

// forCRD returns the FederatedTypeConfigs that name the CRD.
func (r *Reconciler) forCRD(ctx context.Context, crd client.Object) []reconcile.Request {
	configs := &fedv1b1.FederatedTypeConfigList{}
	if err := r.client.List(ctx, configs, client.InNamespace(r.options.Namespace)); err != nil {
		// A map function can return no error. The list comes from a cache, which only fails when it is stopped.
		log.FromContext(ctx).Error(err, "Ignored a change of a CRD", "crd", crd.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range configs.Items {
		if crdName(&configs.Items[i]) == crd.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&configs.Items[i])})
		}
	}
	return requests
}
