package propagation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/tracing"
	"github.com/cellfed/cellfed/internal/wire"
)

// Options are what the push reconciler needs.
type Options struct {
	// KubeFedNamespace is where KubeFedClusters, their Secrets and FederatedTypeConfigs are.
	KubeFedNamespace string
	// Pool holds the connections to members.
	Pool *member.Pool
	// MemberQPS is how many requests a second are sent to a member; zero means as many as there are.
	MemberQPS float32
	// MemberTimeout is how long a member may take to answer; zero means the default of package member.
	MemberTimeout time.Duration
	// MemberWorkers is how many objects are written to a member at a time; zero means the engine's default.
	MemberWorkers int
	// Tracer records what is done for federated objects. Nil records nothing.
	Tracer *tracing.Tracer
}

// What the push reconciler needs on the types that are known beforehand. Federated objects, their status and finalizers it
// reads and patches by the ClusterRole that aggregates; what it writes to members it writes with the members' credentials.
//
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=cellfed.io,resources=cells,verbs=get;list;watch
// +kubebuilder:rbac:groups=core.kubefed.io,namespace=kube-federation-system,resources=kubefedclusters;federatedtypeconfigs;kubefedconfigs,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=kube-federation-system,resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the push reconciler to the manager. It propagates the types that the engine, which is returned,
// is told to. The members, too, are for others to use.
func SetupWithManager(mgr ctrl.Manager, options Options) (*engine.Engine, *member.Clusters, error) {
	config := rest.CopyConfig(mgr.GetConfig())
	config.QPS = -1 // The host's API server has priority and fairness.
	dynamicClient, err := wire.NewDynamic(config, mgr.GetHTTPClient(), engine.Unread)
	if err != nil {
		return nil, nil, fmt.Errorf("set up the push reconciler: %w", err)
	}
	log, realClock := mgr.GetLogger().WithName("propagation"), clock.RealClock{}
	ledger, registry, observer := NewLedger(), &registry{}, &observer{}
	clusters := member.NewClusters(options.Pool, member.Options{
		QPS: options.MemberQPS, Timeout: options.MemberTimeout, Log: log,
		OnEvent: observer.event, OnSynced: observer.synced, OnHealthy: observer.health, OnUnhealthy: observer.health,
	})
	measures, err := NewMetrics(metrics.Registry)
	if err != nil {
		return nil, nil, fmt.Errorf("set up the push reconciler: %w", err)
	}
	traces := NewTraces(options.Tracer, ledger)
	planner, propagator, reporter := &Planner{}, &Propagator{}, &Reporter{}
	e := engine.New(engine.Options{
		Client: dynamicClient, Members: clusters, MemberWorkers: options.MemberWorkers, Log: log,
		Reconcilers: engine.Reconcilers{Plan: planner, Propagate: propagator, Report: reporter},
		Changed:     func(key engine.ObjectKey, generation int64) { ledger.Changed(key, generation, realClock.Now()) },
		Stopped:     func(name string) { ledger.ForgetType(name); measures.forgetType(name); traces.ForgetType(name) },
	})
	observer.engine, observer.members = e, clusters
	host := &hostCluster{client: mgr.GetCache(), dynamic: dynamicClient, engine: e, namespace: options.KubeFedNamespace, registry: registry}
	events := &Events{Recorder: mgr.GetEventRecorder("cellfed-propagation")}
	var written Members = &measured{clusters, measures}
	if traces != nil {
		written = &traced{written}
	}
	*planner = Planner{Host: host, Members: clusters, Queues: e, Ledger: ledger, Traces: traces}
	*propagator = Propagator{Host: host, Members: written, Queues: e, Ledger: ledger, Events: events, Metrics: measures, Traces: traces, Clock: realClock}
	*reporter = Reporter{Host: host, Members: clusters, Queues: e, Ledger: ledger, Metrics: measures, Traces: traces, Clock: realClock, Busy: (*engine.Running).Busy,
		Settle: defaultSettle, Gap: defaultGap, Yield: defaultYield}
	topologies := &Topologies{
		client: mgr.GetClient(), namespace: options.KubeFedNamespace, registry: registry, engine: e,
		members: &keeper{reader: mgr.GetClient(), clusters: clusters, metrics: measures}, joined: map[string]bool{},
		look: observer.look,
	}
	for _, c := range []prometheus.Collector{&ledgerCollector{ledger, realClock}, e.Collector(), clusters.Collector()} {
		err = errors.Join(err, metrics.Registry.Register(c))
	}
	if err := errors.Join(err, mgr.Add(e), mgr.Add(&closer{clusters}), mgr.Add(manager.RunnableFunc(host.remember)), setupTopologies(mgr, topologies, func(namespace string) { observer.lookNamespace(host, namespace) })); err != nil {
		return nil, nil, fmt.Errorf("set up the push reconciler: %w", err)
	}
	return e, clusters, nil
}

// closer ends the members' caches with the manager.
type closer struct{ clusters *member.Clusters }

// NeedLeaderElection says that the caches are the leader's, who fills them.
func (c *closer) NeedLeaderElection() bool { return true }

// Start waits for the end.
func (c *closer) Start(ctx context.Context) error {
	<-ctx.Done()
	c.clusters.Close()
	return nil
}

func setupTopologies(mgr ctrl.Manager, r *Topologies, look func(namespace string)) error {
	one := handler.EnqueueRequestsFromMapFunc(func(context.Context, client.Object) []reconcile.Request {
		return []reconcile.Request{{}}
	})
	inNamespace := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetNamespace() == r.namespace })
	registered := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()[v1alpha1.GeneratedLabel] == "" })
	namespaces := predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetName() == namespacesType })
	return ctrl.NewControllerManagedBy(mgr).
		Named("topologies").
		Watches(&fedv1b1.KubeFedCluster{}, one, builder.WithPredicates(inNamespace,
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}))).
		Watches(&v1alpha1.Cell{}, one).
		Watches(&corev1.Secret{}, one, builder.WithPredicates(inNamespace, registered)).
		Watches(&fedv1b1.FederatedTypeConfig{}, one, builder.WithPredicates(inNamespace, namespaces, predicate.GenerationChangedPredicate{})).
		WatchesMetadata(&corev1.Namespace{}, &namespaceLabels{r.engine, look}).
		Complete(r)
}

// namespaceLabels looks again at the objects of a Namespace whose labels have changed: they say whose it is. So do they to the
// cells that have a namespace of that name in their members, which makes these another topology.
type namespaceLabels struct {
	engine feeder
	// look looks again at what members hold of a namespace: what it was left with while it did not reach them, nobody plans.
	look func(namespace string)
}

func (h *namespaceLabels) Create(_ context.Context, e event.CreateEvent, topologies workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	if !e.IsInInitialList {
		h.engine.PlanAll("", e.Object.GetName(), engine.PriorityChange)
		h.look(e.Object.GetName())
		topologies.Add(reconcile.Request{})
	}
}

func (h *namespaceLabels) Update(_ context.Context, e event.UpdateEvent, topologies workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	if !maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) {
		h.engine.PlanAll("", e.ObjectNew.GetName(), engine.PriorityChange)
		h.look(e.ObjectNew.GetName())
		topologies.Add(reconcile.Request{})
	}
}

func (h *namespaceLabels) Delete(_ context.Context, _ event.DeleteEvent, topologies workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	topologies.Add(reconcile.Request{})
}

func (h *namespaceLabels) Generic(context.Context, event.GenericEvent, workqueue.TypedRateLimitingInterface[reconcile.Request]) {
}
