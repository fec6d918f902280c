package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/render"
)

// Type is what is known of a federated type.
type Type struct {
	// Name is the name of the FederatedTypeConfig.
	Name string
	// Target is the kind of what the type puts into the members.
	Target render.Target
	// Namespaced says that the federated objects are in a namespace. Those that stand for a Namespace are, although the
	// target is not.
	Namespaced bool
	// Propagator is who writes the type to the members now: what the policy's status says, else KubeFed. During a
	// hand-over, when nobody does, it is KubeFed too: what KubeFed cannot do must not be begun then.
	Propagator v1alpha1.Propagator
	// HandingBack says that Propagator is Cellfed and is to be KubeFed: what KubeFed cannot do holds that up.
	HandingBack bool
	// PolicyDeleted says that the FederatedTypePolicy is being deleted, which nobody can take back.
	PolicyDeleted bool
	// Policy is how the type is propagated. It is never nil; of what the FederatedTypePolicy says it holds what can be
	// used.
	Policy *render.Policy
}

// knownType is a Type and the versions of the objects that it was made of.
type knownType struct {
	config, policy version
	t              *Type
}

// version names one state of an object; the zero version stands for none.
type version struct {
	uid             types.UID
	resourceVersion string
}

// TypeOf returns the federated type of a resource, given without its version, or nil if no FederatedTypeConfig names it.
// Where several do, the first by name counts.
func (i *Inventory) TypeOf(ctx context.Context, federated schema.GroupResource) (*Type, error) {
	configs, err := i.configsOf(ctx, federated)
	if err != nil || len(configs) == 0 {
		return nil, err
	}
	config := slices.MinFunc(configs, func(a, b fedv1b1.FederatedTypeConfig) int { return cmp.Compare(a.Name, b.Name) })
	return i.typeOf(ctx, &config)
}

// Rival returns another FederatedTypeConfig's type, of the federated resource that config names, which cellfed propagates. It is
// nil if there is none.
func (i *Inventory) Rival(ctx context.Context, config *fedv1b1.FederatedTypeConfig) (*Type, error) {
	configs, err := i.configsOf(ctx, federatedResource(config))
	if err != nil {
		return nil, err
	}
	for n := range configs {
		if configs[n].Name == config.Name {
			continue
		}
		if t, err := i.typeOf(ctx, &configs[n]); err != nil || t.Propagator == v1alpha1.PropagatorCellfed {
			return t, err
		}
	}
	return nil, nil
}

// configsOf returns the FederatedTypeConfigs of a federated resource. They are the cache's.
func (i *Inventory) configsOf(ctx context.Context, federated schema.GroupResource) ([]fedv1b1.FederatedTypeConfig, error) {
	list := &fedv1b1.FederatedTypeConfigList{}
	err := i.Reader.List(ctx, list, client.InNamespace(i.KubeFedNamespace),
		client.MatchingFields{configResource: federated.String()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list FederatedTypeConfigs of %s: %w", federated, err)
	}
	return list.Items, nil
}

// typeOf makes a type once for as long as nothing that it is made of changes.
func (i *Inventory) typeOf(ctx context.Context, config *fedv1b1.FederatedTypeConfig) (*Type, error) {
	policy, err := i.Policy(ctx, config.Name)
	if err != nil {
		return nil, err
	}
	current := knownType{config: version{config.UID, config.ResourceVersion}}
	if policy != nil {
		current.policy = version{policy.UID, policy.ResourceVersion}
	}
	if known, ok := i.types.Load(config.Name); ok {
		if known := known.(*knownType); known.config == current.config && known.policy == current.policy {
			return known.t, nil
		}
	}
	current.t = newType(config, policy)
	i.types.Store(config.Name, &current)
	return current.t, nil
}

// newType is a pure function.
func newType(config *fedv1b1.FederatedTypeConfig, policy *v1alpha1.FederatedTypePolicy) *Type {
	config = config.DeepCopy()
	fedv1b1.SetFederatedTypeConfigDefaults(config)
	target := config.GetTargetType()
	t := &Type{
		Name: config.Name,
		Target: render.Target{
			Kind:       schema.GroupVersionKind{Group: target.Group, Version: target.Version, Kind: target.Kind},
			Namespaced: target.Namespaced,
		},
		Namespaced: config.GetFederatedNamespaced(),
		Propagator: v1alpha1.PropagatorKubeFed,
		Policy:     &render.Policy{},
	}
	if policy == nil {
		return t
	}
	t.Policy, _ = render.CompilePolicy(policy.Spec.PropagatingAnnotations, policy.Spec.Retain)
	if policy.Status.Propagator != "" {
		t.Propagator = policy.Status.Propagator
	}
	t.PolicyDeleted = !policy.DeletionTimestamp.IsZero()
	t.HandingBack = t.Propagator == v1alpha1.PropagatorCellfed &&
		(t.PolicyDeleted || policy.WantedPropagator() == v1alpha1.PropagatorKubeFed)
	return t
}
