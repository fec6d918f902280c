package cell

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/inventory"
	"github.com/cellfed/cellfed/internal/scope"
)

// errNoNamespace means that the cache has a Cell and not yet its namespace, whose arrival has the Cell looked at again.
var errNoNamespace = errors.New("the namespace is not in the cache yet")

// errUnreadable means that objects which may place a cell could not be read.
var errUnreadable = errors.New("federated objects that may place the cell cannot be read")

// gather returns the facts about a Cell, or nil if there is none of that name. With live, the Cell, what was generated
// for it, and what places it are read from the API server: the cache may lag behind what this controller itself has
// written.
func (r *Reconciler) gather(ctx context.Context, key types.NamespacedName, live bool) (*facts, error) {
	var reader client.Reader = r.client
	if live {
		reader = r.live
	}
	f := &facts{now: r.options.Clock.Now(), settings: r.settings(), cell: &v1alpha1.Cell{}}
	if err := reader.Get(ctx, key, f.cell); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("get Cell %s: %w", key, err)
	}
	var err error
	if f.namespace, err = r.gatherNamespace(ctx, key.Namespace); err != nil {
		return nil, err
	}
	if f.cluster, err = getCluster(ctx, r.client, r.options.KubeFedNamespace, f.cell.Spec.ClusterName); err != nil {
		return nil, err
	}
	if f.namesake, err = inventory.Namesake(ctx, r.client, r.options.KubeFedNamespace, f.cell.TargetNamespace()); err != nil {
		return nil, err
	}
	if f.rivals, err = r.gatherRivals(ctx, f); err != nil {
		return nil, err
	}
	if f.own, err = getCluster(ctx, reader, r.options.KubeFedNamespace, f.clusterName()); err != nil {
		return nil, err
	}
	if f.tokens, err = r.gatherTokens(ctx, key, live); err != nil {
		return nil, err
	}
	if f.federation, err = r.gatherFederation(ctx, key.Namespace); err != nil {
		return nil, err
	}
	if f.cell.DeletionTimestamp == nil {
		return f, nil
	}
	return f, r.gatherObjects(ctx, f, live)
}

func (r *Reconciler) gatherNamespace(ctx context.Context, name string) (namespaceFacts, error) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	err := r.client.Get(ctx, client.ObjectKey{Name: name}, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return namespaceFacts{}, errNoNamespace
	case err != nil:
		return namespaceFacts{}, fmt.Errorf("get Namespace %q: %w", name, err)
	}
	return namespaceFacts{
		tenant:         namespace.Labels[v1alpha1.TenantLabel],
		workspaceGroup: namespace.Labels[v1alpha1.WorkspaceGroupLabel],
		terminating:    namespace.DeletionTimestamp != nil,
	}, nil
}

// gatherRivals returns the other Cells with the same claim. Those that the physical cluster does not open to, or that must not
// have the namespace, have none: nobody can keep a place in a cluster from its owner by having claimed it first. When that
// changes, their status does, and with it this Cell is looked at again.
func (r *Reconciler) gatherRivals(ctx context.Context, f *facts) ([]*v1alpha1.Cell, error) {
	cell := f.cell
	list := &v1alpha1.CellList{}
	if err := r.client.List(ctx, list, client.MatchingFields{claimIndex: cell.Claim()}); err != nil {
		return nil, fmt.Errorf("list Cells that claim %s: %w", cell.Claim(), err)
	}
	var rivals []*v1alpha1.Cell
	for i := range list.Items {
		rival := &list.Items[i]
		if rival.UID == cell.UID {
			continue
		}
		namespace, err := r.gatherNamespace(ctx, rival.Namespace)
		if err != nil && !errors.Is(err, errNoNamespace) {
			return nil, err
		}
		admitted := opensTo(f.cluster, namespace) && targetOf(rival, namespace, f.namesake, f.cluster).Refusal() == scope.TargetAllowed
		if err != nil || admitted {
			rivals = append(rivals, rival)
		}
	}
	return rivals, nil
}

// getCluster returns a KubeFedCluster, or nil if there is none of that name.
func getCluster(ctx context.Context, reader client.Reader, namespace, name string) (*kubefedv1beta1.KubeFedCluster, error) {
	cluster := &kubefedv1beta1.KubeFedCluster{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, cluster)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get KubeFedCluster %s/%s: %w", namespace, name, err)
	}
	return cluster, nil
}

func (r *Reconciler) gatherTokens(ctx context.Context, key types.NamespacedName, live bool) ([]token, error) {
	secrets := &corev1.SecretList{}
	var err error
	if live {
		err = r.live.List(ctx, secrets, client.InNamespace(r.options.KubeFedNamespace), client.MatchingLabels{
			v1alpha1.GeneratedLabel: "true", v1alpha1.NamespaceLabel: key.Namespace, v1alpha1.CellLabel: key.Name,
		})
	} else {
		err = r.client.List(ctx, secrets, client.InNamespace(r.options.KubeFedNamespace), client.MatchingFields{tokenIndex: key.String()})
	}
	if err != nil {
		return nil, fmt.Errorf("list the façade tokens of Cell %s: %w", key, err)
	}
	tokens := make([]token, len(secrets.Items))
	for i := range secrets.Items {
		tokens[i] = newToken(&secrets.Items[i])
	}
	return tokens, nil
}

// namespacesConfig returns the FederatedTypeConfig that federates Namespaces, or nil.
func (r *Reconciler) namespacesConfig(ctx context.Context) (*kubefedv1beta1.FederatedTypeConfig, error) {
	config := &kubefedv1beta1.FederatedTypeConfig{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.options.KubeFedNamespace, Name: namespacesType}, config)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get FederatedTypeConfig %q: %w", namespacesType, err)
	}
	return config, nil
}

func (r *Reconciler) gatherFederation(ctx context.Context, namespace string) (federationFacts, error) {
	config, err := r.namespacesConfig(ctx)
	if config == nil || err != nil {
		return federationFacts{}, err
	}
	uid, err := crdUID(ctx, r.client, config)
	if uid == "" || err != nil {
		return federationFacts{}, err
	}
	t := federatedType(config)
	facts := federationFacts{
		kind:     t.Kind,
		resource: t.Resource,
	}
	if facts.disabled, err = r.disabled(ctx, config); err != nil {
		return federationFacts{}, err
	}
	facts.object, facts.read = r.placements.Get(t.Name, namespace, namespace)
	if facts.object != nil && generated(facts.object) && objectType(facts.object) == "" {
		// Rare: between the moment at which Namespaces are federated and the one at which their CRD is upgraded.
		if facts.typed, err = r.declaresType(ctx, t.Resource.GroupResource().String(), t.Resource.Version); err != nil {
			return federationFacts{}, err
		}
	} else {
		facts.typed = true
	}
	return facts, nil
}

// disabled reports whether nobody is to propagate the type: while cellfed does, upstream's propagation is turned off too.
func (r *Reconciler) disabled(ctx context.Context, config *kubefedv1beta1.FederatedTypeConfig) (bool, error) {
	if config.GetPropagationEnabled() {
		return false, nil
	}
	policy := &v1alpha1.FederatedTypePolicy{}
	err := r.client.Get(ctx, client.ObjectKeyFromObject(config), policy)
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("get FederatedTypePolicy %q: %w", config.Name, err)
	}
	return policy.WantedPropagator() != v1alpha1.PropagatorCellfed && policy.Status.Propagator != v1alpha1.PropagatorCellfed, nil
}

// declaresType reports whether a version of a CRD declares spec.topologyType.
func (r *Reconciler) declaresType(ctx context.Context, name, version string) (bool, error) {
	crd := &unstructured.Unstructured{}
	crd.SetGroupVersionKind(crdKind)
	if err := r.live.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
		return false, fmt.Errorf("get CustomResourceDefinition %s: %w", name, err)
	}
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	return slices.ContainsFunc(versions, func(item any) bool {
		v, ok := item.(map[string]any)
		if !ok || v["name"] != version {
			return false
		}
		_, found, err := unstructured.NestedFieldNoCopy(v, "schema", "openAPIV3Schema", "properties", "spec", "properties", "topologyType")
		return found && err == nil
	}), nil
}

// gatherObjects adds the federated objects of the Cell's namespace. What cannot be read is among the facts: nobody may
// take it for absent.
func (r *Reconciler) gatherObjects(ctx context.Context, f *facts, live bool) error {
	if !live {
		var err error
		f.objects, err = r.placements.List(f.cell.Namespace)
		return err
	}
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	if err := r.live.List(ctx, configs, client.InNamespace(r.options.KubeFedNamespace)); err != nil {
		return fmt.Errorf("list FederatedTypeConfigs: %w", err)
	}
	for i := range configs.Items {
		config := &configs.Items[i]
		if !config.GetFederatedNamespaced() {
			continue
		}
		t := federatedType(config)
		if cached, ok := r.placements.Type(t.Name); ok && cached.Resource.GroupResource() == t.Resource.GroupResource() {
			t.Resource.Version = cached.Resource.Version
		}
		objects, err := r.placements.Live(ctx, t, f.cell.Namespace)
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			f.unreadable = append(f.unreadable, t.Kind)
			f.unreadableErr = errors.Join(f.unreadableErr, err)
			continue
		}
		f.objects = append(f.objects, objects...)
	}
	slices.Sort(f.unreadable)
	return nil
}
