package federatedtypepolicy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	// upstreamFinalizer is what upstream puts on a FederatedTypeConfig before it does anything else with it
	// (pkg/controller/federatedtypeconfig of kubefed).
	upstreamFinalizer = "core.kubefed.io/federated-type-config"

	// dispatchTimeout is how long upstream waits for the members of one object (pkg/controller/sync/dispatch of
	// kubefed).
	dispatchTimeout = 30 * time.Second

	// upstreamStart is how long upstream takes to know the objects of its members after it has become the leader: it
	// waits 20 seconds, as shipped, before it uses a cluster, and then lists. A type that is stopped before takes
	// upstream with it: what is queued waits for objects that nobody lists any more, and cacheSyncTimeout later the
	// whole process ends (pkg/controller/sync of kubefed, reconcile).
	upstreamStart = 45 * time.Second

	// pageSize is how many objects are asked for at once.
	pageSize = 500
)

// gather reads what a decision needs. The FederatedTypeConfig is read before the lease and the traces: an upstream that
// acquires the lease after it was looked at reads the FederatedTypeConfig as it is here, or newer.
func (r *Reconciler) gather(ctx context.Context, name string) (input, error) {
	in := input{started: r.isStarted(name), enough: r.options.QuietPeriod}
	key := types.NamespacedName{Namespace: r.options.Namespace, Name: name}
	policy, config := &v1alpha1.FederatedTypePolicy{}, &fedv1b1.FederatedTypeConfig{}
	switch err := r.live.Get(ctx, key, policy); {
	case err == nil:
		in.policy, in.before = policy, policy.Status.Propagator
	case !apierrors.IsNotFound(err):
		return input{}, fmt.Errorf("getting the FederatedTypePolicy %q: %w", name, err)
	}
	switch err := r.live.Get(ctx, key, config); {
	case err == nil:
		in.config = config
	case !apierrors.IsNotFound(err):
		return input{}, fmt.Errorf("getting the FederatedTypeConfig %q: %w", name, err)
	}
	var err error
	if in.policy == nil || in.config == nil {
		r.quiet.forget(name)
		r.forgetLooks(name)
		if in.config != nil && marked(in.config) {
			in.unserved, err = r.unserved(ctx, in.config)
		}
		return in, err
	}
	if in.crd, err = r.crd(ctx, in.config); err != nil {
		return input{}, err
	}
	if decide(in).handsBack() {
		if in.unserved, err = r.unserved(ctx, in.config); err != nil {
			in.unserved = fmt.Sprintf("whether v1beta1 is served cannot be told: %v", err)
		}
		in.obstacles, in.unchanged = r.lookAt(ctx, in, false)
		if decide(in).step == stepEnable {
			in.obstacles, in.unchanged = r.lookAt(ctx, in, true)
		}
		if err := ctx.Err(); err != nil {
			return input{}, err
		}
	} else {
		r.forgetLooks(name)
	}
	if !in.owns() {
		in.gone, in.young = r.upstream(ctx, in.config)
	}
	if decide(in).needsQuiet() {
		return in, r.listen(ctx, &in)
	}
	r.quiet.forget(name)
	return in, nil
}

// needsQuiet reports whether the plan waits for upstream to be quiet.
func (p plan) needsQuiet() bool {
	return p.state != nil && p.state.reason == v1alpha1.ReasonKubeFedDraining
}

// listen finds out for how long upstream has been quiet.
func (r *Reconciler) listen(ctx context.Context, in *input) error {
	is, err := r.traces(ctx, in.config)
	if err != nil {
		return err
	}
	ready, err := r.clustersReady(ctx)
	if err != nil {
		return err
	}
	if !ready {
		in.enough += dispatchTimeout
	}
	in.quiet = r.quiet.look(r.clock.Now(), in.config.Name, in.config.UID, in.config.Generation, is)
	return nil
}

// upstream reports whether no upstream runs, and for how long one that does is still too young to be stopped. Not to know
// it is to take upstream for running.
//
// Where there is no lease and upstream has never touched the FederatedTypeConfig, there is nothing to wait for.
func (r *Reconciler) upstream(ctx context.Context, config *fedv1b1.FederatedTypeConfig) (gone bool, young time.Duration) {
	is, err := readLease(ctx, r.live, r.options.Namespace)
	if err != nil {
		log.FromContext(ctx).Error(err, "Took KubeFed for running")
		return false, 0
	}
	now := r.clock.Now()
	expired := r.leases.expired(now, is)
	gone = expired || is.record == "" && !slices.Contains(config.Finalizers, upstreamFinalizer)
	if gone || is.acquired.IsZero() {
		return gone, 0
	}
	return false, min(max(is.acquired.Add(upstreamStart).Sub(now), 0), upstreamStart)
}

// crd returns what is to be known of the CRD of the federated objects.
func (r *Reconciler) crd(ctx context.Context, config *fedv1b1.FederatedTypeConfig) (crdFacts, error) {
	name := crdName(config)
	crd := &apiextensionsv1.CustomResourceDefinition{}
	switch err := r.live.Get(ctx, types.NamespacedName{Name: name}, crd); {
	case apierrors.IsNotFound(err):
		return crdFacts{problem: fmt.Sprintf("there is no CRD %q: create it, for instance with kubefedctl enable", name)}, nil
	case err != nil:
		return crdFacts{}, fmt.Errorf("getting the CRD %q: %w", name, err)
	}
	facts := crdFacts{uid: crd.UID, serves: crd.DeletionTimestamp.IsZero() && federatedcrd.Serves(crd)}
	facts.problem = fmt.Sprintf("the CRD %q does not serve v2beta1 yet", name)
	for _, c := range crd.Status.Conditions {
		if c.Type != apiextensionsv1.CustomResourceDefinitionConditionType(v1alpha1.ConditionTopologies) {
			continue
		}
		facts.ready = facts.serves && c.Status == apiextensionsv1.ConditionTrue
		facts.problem = fmt.Sprintf("the CRD %q does not serve v2beta1 as it should: %s", name, c.Message)
	}
	if !crd.DeletionTimestamp.IsZero() {
		facts.problem = fmt.Sprintf("the CRD %q is being deleted", name)
	}
	return facts, nil
}

// crdName returns the name of the CRD that a FederatedTypeConfig names. Without upstream's webhook the plural may be left to
// its default.
func crdName(config *fedv1b1.FederatedTypeConfig) string {
	plural := config.Spec.FederatedType.PluralName
	if plural == "" {
		plural = fedv1b1.PluralName(config.Spec.FederatedType.Kind)
	}
	return plural + "." + config.Spec.FederatedType.Group
}

// clustersReady reports whether upstream takes every cluster for ready and reachable.
func (r *Reconciler) clustersReady(ctx context.Context) (bool, error) {
	clusters := &fedv1b1.KubeFedClusterList{}
	if err := r.live.List(ctx, clusters, client.InNamespace(r.options.Namespace)); err != nil {
		return false, fmt.Errorf("listing KubeFedClusters: %w", err)
	}
	for i := range clusters.Items {
		ready := false
		for _, c := range clusters.Items[i].Status.Conditions {
			switch c.Type {
			case common.ClusterReady:
				ready = ready || c.Status == corev1.ConditionTrue
			case common.ClusterOffline:
				if c.Status == corev1.ConditionTrue {
					return false, nil
				}
			}
		}
		if !ready {
			return false, nil
		}
	}
	return true, nil
}

// traces reads what upstream's controller of the type has left in the host. The federated objects are read in upstream's
// version, as it stores them, or in v2beta1 where that is not served.
func (r *Reconciler) traces(ctx context.Context, config *fedv1b1.FederatedTypeConfig) (traces, error) {
	all := traces{}
	fed := config.Spec.FederatedType
	for _, version := range []string{fed.Version, federated.V2Beta1} {
		objects := schema.GroupVersionKind{Group: fed.Group, Version: version, Kind: fed.Kind}
		served, err := r.each(ctx, objects, func(o *metav1.PartialObjectMetadata) { all[o.UID] = objectTrace(o) })
		if err != nil {
			return nil, err
		}
		if served {
			break
		}
	}
	prefix := versionPrefix(config.Spec.TargetType.Kind)
	_, err := r.each(ctx, versionKind(config.GetFederatedNamespaced()), func(o *metav1.PartialObjectMetadata) {
		if strings.HasPrefix(o.Name, prefix) {
			all[o.UID] = versionTrace(o)
		}
	})
	return all, err
}

// each calls visit for the metadata of every object of a kind, and reports whether that is served.
func (r *Reconciler) each(ctx context.Context, kind schema.GroupVersionKind, visit func(*metav1.PartialObjectMetadata)) (served bool, err error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	for {
		err := r.live.List(ctx, list, client.Limit(pageSize), client.Continue(list.GetContinue()))
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("listing every %s: %w", kind.Kind, err)
		}
		for i := range list.Items {
			visit(&list.Items[i])
		}
		if list.GetContinue() == "" {
			return true, nil
		}
	}
}
