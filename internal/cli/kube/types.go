package kube

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
)

// prefix begins the kind of every federated type that KubeFed makes, and its plural in lower case.
const prefix = "Federated"

// Type is a federated type: what its FederatedTypeConfig says, and who propagates it.
type Type struct {
	// Name is the FederatedTypeConfig's, e.g. deployments.apps. Who may not read FederatedTypeConfigs, as the people of a
	// tenant may not, gets the name as far as the federated type tells it: deployments.
	Name string
	// Federated is the kind of the federated objects: v2beta1 where the CRD serves it, else v1beta1.
	Federated schema.GroupVersionKind
	// Resource is the federated resource.
	Resource schema.GroupVersionResource
	// Target is the kind of what the type puts into the members. Group and Version are empty for who may not read
	// FederatedTypeConfigs.
	Target schema.GroupVersionKind
	// Namespaced says that the federated objects are in a namespace.
	Namespaced bool
	// Propagator is who propagates the type now: what the policy's status says, else KubeFed. It is empty for who may not
	// read FederatedTypePolicies.
	Propagator v1alpha1.Propagator

	// names are what Kube.Type knows the type by, in lower case, beside Name.
	names []string
	// target is the target's resource.
	target schema.GroupVersionResource
}

// String returns the type's name.
func (t Type) String() string { return t.Name }

// Types returns the federated types, sorted by name. A type whose CRD is not served is left out. Who may not read the
// FederatedTypeConfigs gets what the host cluster serves.
func (k *Kube) Types(ctx context.Context) ([]Type, error) {
	c, err := k.Client()
	if err != nil {
		return nil, err
	}
	configs := &kubefedv1beta1.FederatedTypeConfigList{}
	err = c.List(ctx, configs, client.InNamespace(k.KubeFedNamespace))
	if apierrors.IsForbidden(err) {
		return k.servedTypes()
	}
	if err != nil {
		return nil, fmt.Errorf("list the FederatedTypeConfigs in the namespace %s: %w", k.KubeFedNamespace, err)
	}
	propagators, err := k.propagators(ctx, c)
	if err != nil {
		return nil, err
	}
	types := make([]Type, 0, len(configs.Items))
	for i := range configs.Items {
		t, ok, err := k.configured(&configs.Items[i])
		if err != nil {
			return nil, err
		}
		if ok {
			t.Propagator = v1alpha1.PropagatorKubeFed
			if p, ok := propagators(t.Name); ok {
				t.Propagator = p
			}
			types = append(types, t)
		}
	}
	slices.SortFunc(types, byName)
	return types, nil
}

// propagators returns who propagates the type of a name, if its policy tells.
func (k *Kube) propagators(ctx context.Context, c client.Client) (func(name string) (v1alpha1.Propagator, bool), error) {
	policies := &v1alpha1.FederatedTypePolicyList{}
	err := c.List(ctx, policies, client.InNamespace(k.KubeFedNamespace))
	if apierrors.IsForbidden(err) {
		return func(string) (v1alpha1.Propagator, bool) { return "", true }, nil
	}
	// A host cluster without the CRD has no policies, so that KubeFed propagates everything.
	if err != nil && !noMatch(err) {
		return nil, fmt.Errorf("list the FederatedTypePolicies in the namespace %s: %w", k.KubeFedNamespace, err)
	}
	byName := make(map[string]v1alpha1.Propagator, len(policies.Items))
	for i := range policies.Items {
		if p := policies.Items[i].Status.Propagator; p != "" {
			byName[policies.Items[i].Name] = p
		}
	}
	return func(name string) (v1alpha1.Propagator, bool) {
		p, ok := byName[name]
		return p, ok
	}, nil
}

// configured returns the type of a FederatedTypeConfig. It reports false for one whose CRD is not served.
func (k *Kube) configured(config *kubefedv1beta1.FederatedTypeConfig) (Type, bool, error) {
	config = config.DeepCopy()
	kubefedv1beta1.SetFederatedTypeConfigDefaults(config)
	target, fed := config.GetTargetType(), config.GetFederatedType()
	t := Type{
		Name:       config.Name,
		Target:     schema.GroupVersionKind{Group: target.Group, Version: target.Version, Kind: target.Kind},
		Namespaced: config.GetFederatedNamespaced(),
		target:     schema.GroupVersionResource{Group: target.Group, Version: target.Version, Resource: target.Name},
	}
	version, names, ok, err := k.version(schema.GroupResource{Group: fed.Group, Resource: fed.Name})
	if err != nil || !ok {
		return t, false, err
	}
	t.Federated = schema.GroupVersionKind{Group: fed.Group, Version: version, Kind: fed.Kind}
	t.Resource = schema.GroupVersionResource{Group: fed.Group, Version: version, Resource: fed.Name}
	t.names = lower(names, fed.Name, fed.Name+"."+fed.Group, fed.Kind, fed.Kind+"."+fed.Group, target.Name, target.Kind)
	if target.Group != "" {
		t.names = lower(t.names, target.Name+"."+target.Group, target.Kind+"."+target.Group)
	}
	return t, true, nil
}

// version returns the version in which a federated resource is to be read, and its singular and short names.
func (k *Kube) version(r schema.GroupResource) (version string, names []string, ok bool, err error) {
	for _, version := range []string{federated.V2Beta1, federated.V1Beta1} {
		s, err := k.serves(r.Group + "/" + version)
		if err != nil {
			return "", nil, false, err
		}
		if !s.known {
			return federated.V2Beta1, nil, true, nil
		}
		if found := s.find(r.Resource); found != nil {
			return version, append([]string{found.SingularName}, found.ShortNames...), true, nil
		}
	}
	return "", nil, false, nil
}

// servedTypes returns the federated types as the host cluster serves them, for who may not read what is configured.
func (k *Kube) servedTypes() ([]Type, error) {
	var types []Type
	for _, version := range []string{federated.V2Beta1, federated.V1Beta1} {
		gv := schema.GroupVersion{Group: federated.Group, Version: version}
		s, err := k.serves(gv.String())
		if err != nil {
			return nil, err
		}
		for _, r := range s.resources {
			kind, named := strings.CutPrefix(r.Kind, prefix)
			same := func(t Type) bool { return t.Resource.Resource == r.Name }
			if !named || slices.ContainsFunc(types, same) {
				continue
			}
			name := strings.TrimPrefix(r.Name, strings.ToLower(prefix))
			types = append(types, Type{
				Name: name, Federated: gv.WithKind(r.Kind), Resource: gv.WithResource(r.Name),
				Target: schema.GroupVersionKind{Kind: kind}, Namespaced: r.Namespaced,
				names: lower(r.ShortNames, r.Name, r.Name+"."+gv.Group, r.Kind+"."+gv.Group, r.SingularName, r.Kind, kind),
			})
		}
	}
	slices.SortFunc(types, byName)
	return types, nil
}

func byName(a, b Type) int { return cmp.Compare(a.Name, b.Name) }

// lower returns all names in lower case, without empty ones.
func lower(names []string, more ...string) []string {
	var all []string
	for _, name := range slices.Concat(names, more) {
		if name != "" {
			all = append(all, strings.ToLower(name))
		}
	}
	return all
}

func isSubresource(resource string) bool { return strings.Contains(resource, "/") }
