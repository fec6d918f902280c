package admission

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 15 * time.Second
)

// name is the controller's, in logs and metrics.
const name = "admission"

// ByObject returns how the manager's cache is to hold what this controller reads: of each kind the one configuration, with its
// managedFields. The manager may read no other.
func ByObject() map[client.Object]cache.ByObject {
	only := func(name string) cache.ByObject {
		return cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", name)}
	}
	return map[client.Object]cache.ByObject{
		&admissionregistrationv1.MutatingWebhookConfiguration{}:   only(MutatingName),
		&admissionregistrationv1.ValidatingWebhookConfiguration{}: only(ValidatingName),
	}
}

// SetupWithManager adds the controller to a manager whose cache is as ByObject has it. It runs on the leader only.
func SetupWithManager(mgr ctrl.Manager, o Options) error {
	if o.CA == nil {
		return errors.New("setting up the controller " + name + ": Options.CA must be set")
	}
	r := &Reconciler{client: mgr.GetClient(), options: o}
	enqueue := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{}}
	})
	err := ctrl.NewControllerManagedBy(mgr).
		Named(name).
		Watches(&admissionregistrationv1.MutatingWebhookConfiguration{}, enqueue).
		Watches(&admissionregistrationv1.ValidatingWebhookConfiguration{}, enqueue).
		WatchesRawSource(source.Channel(o.CA.Changes(), enqueue)).
		// Until the bundle is right, what people write is refused.
		WithOptions(controller.Options{RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)}).
		WithLogConstructor(func(*reconcile.Request) logr.Logger { return mgr.GetLogger().WithName(name) }).
		Complete(r)
	if err != nil {
		return fmt.Errorf("setting up the controller %s: %w", name, err)
	}
	return nil
}
