package federatedtype

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
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
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
	"github.com/cellfed/cellfed/internal/storagemigration"
)

const (
	// storageName is the name of the controller that migrates stored objects.
	storageName = name + "-storage"

	// storageWorkers are how many types are migrated side by side.
	storageWorkers = 4

	// progressDelay is how often a migration says how far it has come, at most.
	progressDelay = 5 * time.Second

	// overtakenDelay is how long a migration waits for a CRD that is changing.
	overtakenDelay = time.Second
)

// +kubebuilder:rbac:groups=cellfed.io,namespace=kube-federation-system,resources=federatedtypepolicies/status,verbs=patch

// storageReconciler has every object of a type stored in the version that its CRD stores, and says in the type's policy how
// far that is. It is keyed on the CRD. What is to be stored is not its business: it follows the CRD, and begins anew when
// that changes.
type storageReconciler struct {
	client    client.Client
	live      client.Reader
	migrator  *storagemigration.Migrator
	namespace string
	clock     clock.PassiveClock
}

func setupStorage(mgr ctrl.Manager, opts Options) error {
	r := &storageReconciler{
		client: mgr.GetClient(), live: mgr.GetAPIReader(), namespace: opts.Namespace, clock: clock.RealClock{},
		migrator: storagemigration.New(mgr.GetClient(), mgr.GetAPIReader(), storagemigration.Options{Settle: opts.StorageSettle}),
	}
	inNamespace := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetNamespace() == opts.Namespace })
	ours := predicate.NewPredicateFuncs(func(o client.Object) bool {
		return strings.HasSuffix(o.GetName(), "."+federated.Group)
	})
	logger := mgr.GetLogger().WithName(storageName)
	err := ctrl.NewControllerManagedBy(mgr).
		Named(storageName).
		WatchesMetadata(&apiextensionsv1.CustomResourceDefinition{}, &handler.EnqueueRequestForObject{}, builder.WithPredicates(ours)).
		Watches(&v1alpha1.FederatedTypePolicy{}, handler.EnqueueRequestsFromMapFunc(r.crdOf), builder.WithPredicates(inNamespace, propagatorChanged())).
		WithLogConstructor(func(request *ctrl.Request) logr.Logger {
			if request == nil {
				return logger
			}
			return logger.WithValues("crd", request.Name)
		}).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: storageWorkers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller %s: %w", storageName, err)
	}
	return nil
}

// crdOf returns the CRD that the FTC of the policy's name names.
func (r *storageReconciler) crdOf(ctx context.Context, policy client.Object) []reconcile.Request {
	ftc := &kubefedv1beta1.FederatedTypeConfig{}
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(policy), ftc); err != nil {
		// Without an FTC there is no type. Its arrival changes the CRD, which then comes by itself.
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: crdName(ftc)}}}
}

// Reconcile implements reconcile.Reconciler.
func (r *storageReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	err := r.live.Get(ctx, request.NamespacedName, crd)
	if apierrors.IsNotFound(err) || err == nil && crd.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("getting the CRD %s: %w", request.Name, err)
	}
	namespace, ftc, ok := strings.Cut(federatedcrd.Owner(crd), "/")
	if !ok || namespace != r.namespace {
		return ctrl.Result{}, nil
	}
	key := types.NamespacedName{Namespace: namespace, Name: ftc}
	if len(federatedcrd.OldVersions(crd)) == 0 {
		return ctrl.Result{}, r.tell(ctx, key, migrated(federatedcrd.Stored(crd)))
	}
	return r.migrate(ctx, crd, key)
}

// migrate goes on with the migration, and tells how far it is. What cannot be told is no reason to stop.
func (r *storageReconciler) migrate(ctx context.Context, crd *apiextensionsv1.CustomResourceDefinition, key types.NamespacedName) (ctrl.Result, error) {
	logger, version := log.FromContext(ctx), federatedcrd.Stored(crd)
	tell := func(state storageState) {
		if err := r.tell(ctx, key, state); err != nil && ctx.Err() == nil {
			logger.Error(err, "Could not report on a migration")
		}
	}
	var last time.Time
	var once sync.Once
	wait, err := r.migrator.Migrate(ctx, crd.Name, func(p storagemigration.Progress) {
		once.Do(func() { logger.Info("Migrating stored objects", "version", p.Version, "total", p.Total) })
		if now := r.clock.Now(); now.Sub(last) >= progressDelay {
			last = now
			logger.Info("Migrated stored objects", "version", p.Version, "done", p.Done, "total", p.Total)
			tell(migrating(p))
		}
	})
	switch {
	case ctx.Err() != nil:
		return ctrl.Result{}, ctx.Err()
	case errors.Is(err, storagemigration.ErrOvertaken):
		return ctrl.Result{RequeueAfter: overtakenDelay}, nil
	case err != nil:
		tell(failed(version, err))
		return ctrl.Result{}, err
	case wait > 0:
		tell(settling(version))
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	// The CRD has changed, and comes again: then the policy is told.
	logger.Info("Migrated all stored objects", "version", version)
	return ctrl.Result{}, nil
}
