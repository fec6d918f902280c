// Package cell keeps, for every Cell, what upstream KubeFed needs to take it for a cluster: a KubeFedCluster that points
// at the cell's façade, a token that is good for that façade and nothing else, and a FederatedNamespace that places the
// namespace on it.
//
// A reconcile gathers facts (gather.go), decides what is to be done about them (plan.go and the files that begin so,
// which are pure), does it (apply.go), and writes down what it knows (status.go, pure too).
package cell

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
	"github.com/cellfed/cellfed/internal/wire"
)

const (
	// DefaultTokenLifetime is how long a façade token is used when Options do not say.
	DefaultTokenLifetime = 720 * time.Hour
	// DefaultTokenGrace is how long a replaced façade token stays good when Options do not say.
	DefaultTokenGrace = 10 * time.Minute

	defaultConcurrency = 4
	controllerName     = "cell"
)

// CABundle is where the certificates come from by which upstream KubeFed trusts the façade.
type CABundle interface {
	// Bundle returns the certificates in PEM. Empty means that there are none yet: no KubeFedCluster is made or
	// changed until there are.
	Bundle() []byte
}

// Options are what the controller cannot know by itself.
type Options struct {
	// KubeFedNamespace is the namespace that upstream KubeFed runs in. It must not be empty.
	KubeFedNamespace string
	// FacadeURL is the https URL at which upstream KubeFed reaches the façade. It must not be empty.
	FacadeURL string
	// CABundle is where the façade's CA bundle comes from. It must not be nil.
	CABundle CABundle
	// CAChanges gets an event whenever CABundle has changed; what the event holds does not matter. Nil means that
	// the bundle never changes.
	CAChanges <-chan event.GenericEvent
	// TokenLifetime is how long a façade token is used before another replaces it. Zero means
	// DefaultTokenLifetime.
	TokenLifetime time.Duration
	// TokenGrace is how long a façade token stays good after upstream was told to use another. Zero means
	// DefaultTokenGrace.
	TokenGrace time.Duration
	// Members reaches the physical clusters, to remove the namespace of a cell that has gone. Nil leaves namespaces
	// where they are.
	Members Members
	// Clock tells the time. Nil means the system's.
	Clock clock.PassiveClock
	// Concurrency is how many Cells are reconciled at a time. Zero means 4.
	Concurrency int
}

// complete fills in defaults and says what is wrong.
func (o *Options) complete() error {
	if o.KubeFedNamespace == "" {
		return errors.New("KubeFedNamespace is empty: name the namespace that KubeFed runs in")
	}
	if u, err := url.Parse(o.FacadeURL); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("FacadeURL %q is not an https URL with a host: give one such as https://host:9444", o.FacadeURL)
	}
	if o.CABundle == nil {
		return errors.New("CABundle is nil: say where the façade's CA bundle comes from")
	}
	if o.TokenLifetime < 0 || o.TokenGrace < 0 {
		return fmt.Errorf("TokenLifetime %v and TokenGrace %v must not be negative", o.TokenLifetime, o.TokenGrace)
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = DefaultTokenLifetime
	}
	if o.TokenGrace == 0 {
		o.TokenGrace = DefaultTokenGrace
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	return nil
}

// Reconciler reconciles Cells.
type Reconciler struct {
	options Options

	// client reads from the manager's cache, live from the API server.
	client     client.Client
	live       client.Reader
	dynamic    dynamic.Interface
	placements *placementcache.Cache
	recorder   events.EventRecorder
	random     io.Reader
	// attempts are when the removal of the member namespace of a Cell was first tried.
	attempts attempts
}

// What follows is all that the controller needs on the types that are known beforehand. To see what places a cell it
// reads (get, list, watch) the objects of every federated type; these are granted, with the types themselves, by a
// ClusterRole that aggregates.
//
// +kubebuilder:rbac:groups=cellfed.io,resources=cells,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=cellfed.io,resources=cells/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=types.kubefed.io,resources=federatednamespaces,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=kubefedclusters,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=federatedtypeconfigs,verbs=get;list;watch
// +kubebuilder:rbac:groups=cellfed.io,namespace=kube-federation-system,resources=federatedtypepolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=kube-federation-system,resources=secrets,verbs=get;list;watch;create;patch;delete

// SetupWithManager adds the controller, its indexes and its metrics to the manager, whose cache should have been made
// with ByObject.
func SetupWithManager(mgr ctrl.Manager, options Options) error {
	if err := options.complete(); err != nil {
		return fmt.Errorf("set up the cell controller: %w", err)
	}
	client, err := dynamic.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("set up the cell controller: make a dynamic client: %w", err)
	}
	objects, err := wire.NewDynamic(mgr.GetConfig(), mgr.GetHTTPClient(), placementcache.Unread)
	if err != nil {
		return fmt.Errorf("set up the cell controller: %w", err)
	}
	r := &Reconciler{
		options:    options,
		client:     mgr.GetClient(),
		live:       mgr.GetAPIReader(),
		dynamic:    client,
		placements: placementcache.New(objects),
		recorder:   mgr.GetEventRecorder("cellfed-" + controllerName),
		random:     rand.Reader,
	}
	for _, setup := range []func(ctrl.Manager) error{
		r.setupIndexes,
		func(mgr ctrl.Manager) error { return mgr.Add(r.placements) },
		r.setupTypes,
		r.setupCells,
		func(mgr ctrl.Manager) error { return registerMetrics(r.client, mgr.Elected()) },
	} {
		if err := setup(mgr); err != nil {
			return fmt.Errorf("set up the cell controller: %w", err)
		}
	}
	return nil
}

func (r *Reconciler) setupCells(mgr ctrl.Manager) error {
	b := ctrl.NewControllerManagedBy(mgr).
		Named(controllerName).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.options.Concurrency}).
		For(&v1alpha1.Cell{}).
		Watches(&v1alpha1.Cell{}, handler.EnqueueRequestsFromMapFunc(r.rivalsOf)).
		Watches(&kubefedv1beta1.KubeFedCluster{}, handler.EnqueueRequestsFromMapFunc(r.cellsOfCluster),
			builder.WithPredicates(r.inKubeFedNamespace(), clusterChanged())).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(cellOfSecret),
			builder.WithPredicates(r.inKubeFedNamespace())).
		Watches(&kubefedv1beta1.FederatedTypeConfig{}, handler.EnqueueRequestsFromMapFunc(r.cellsOfType),
			builder.WithPredicates(r.inKubeFedNamespace(), specChanged())).
		Watches(&v1alpha1.FederatedTypePolicy{}, handler.EnqueueRequestsFromMapFunc(r.cellsOfType),
			builder.WithPredicates(r.inKubeFedNamespace(), propagatorChanged())).
		WatchesMetadata(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.cellsOfNamespace)).
		WatchesMetadata(newCRDMetadata(), handler.EnqueueRequestsFromMapFunc(r.cellsOfCRD)).
		WatchesRawSource(source.Func(r.watchPlacements))
	if r.options.CAChanges != nil {
		b = b.WatchesRawSource(source.Channel(r.options.CAChanges, handler.EnqueueRequestsFromMapFunc(r.everyCell)))
	}
	return b.Complete(r)
}

// settings returns what holds for every Cell now.
func (r *Reconciler) settings() settings {
	return settings{
		kubeFedNamespace: r.options.KubeFedNamespace,
		facadeURL:        r.options.FacadeURL,
		caBundle:         r.options.CABundle.Bundle(),
		tokenLifetime:    r.options.TokenLifetime,
		tokenGrace:       r.options.TokenGrace,
	}
}
