package facts

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
)

// Type is the type of a federated object.
type Type struct {
	// Name is the name of its FederatedTypeConfig.
	Name   string
	Target render.Target
	// Resource is the plural name of what is put into members.
	Resource string
	// Namespaced says that the federated objects are in a namespace.
	Namespaced bool
	// Propagator is who writes the type to the members, empty where that is not known.
	Propagator v1alpha1.Propagator
	// Policy is what decides what of an object reaches members. Nil propagates no annotation and retains nothing.
	Policy *render.Policy
	// Assumed says in sentences what was taken for granted because nothing known tells it.
	Assumed []string
}

// Type returns the type of a federated object, by its FederatedTypeConfig, else by the kind's name and the template.
func (k *Known) Type(u *unstructured.Unstructured) (Type, error) {
	t, err := k.typeOf(u)
	if err != nil {
		return t, err
	}
	k.policy(&t)
	return t, nil
}

func (k *Known) typeOf(u *unstructured.Unstructured) (Type, error) {
	for _, name := range slices.Sorted(maps.Keys(k.configs)) {
		if fed := k.configs[name].Spec.FederatedType; fed.Group == u.GroupVersionKind().Group && fed.Kind == u.GetKind() {
			return ofConfig(k.configs[name]), nil
		}
	}
	return assume(u)
}

func ofConfig(config *fedv1b1.FederatedTypeConfig) Type {
	target := config.GetTargetType()
	return Type{
		Name: config.Name, Namespaced: config.GetFederatedNamespaced(), Resource: target.Name,
		Target: render.Target{Kind: schema.GroupVersionKind{Group: target.Group, Version: target.Version, Kind: target.Kind}, Namespaced: target.Namespaced},
	}
}

// policy adds what the type's policy says.
func (k *Known) policy(t *Type) {
	policy := k.policies[t.Name]
	switch {
	case policy != nil && policy.Status.Propagator != "":
		t.Propagator = policy.Status.Propagator
	case policy != nil && !k.Complete[FederatedTypePolicy]:
		t.Propagator = policy.WantedPropagator()
	case k.Complete[FederatedTypePolicy]:
		t.Propagator = v1alpha1.PropagatorKubeFed
	default:
		t.Assumed = append(t.Assumed, fmt.Sprintf("no FederatedTypePolicy %q is known, so that no annotation of the template is propagated", t.Name))
	}
	if t.Propagator == v1alpha1.PropagatorCellfed {
		// What of it cannot be used, the propagator does not use either.
		t.Policy, _ = render.CompilePolicy(policy.Spec.PropagatingAnnotations, policy.Spec.Retain)
	}
}

// prefix is how the names of federated kinds begin.
const prefix = "Federated"

// assume derives a type from the name of the federated kind and from its template.
func assume(u *unstructured.Unstructured) (Type, error) {
	apiVersion, _, _ := unstructured.NestedString(u.Object, "spec", "template", "apiVersion")
	kind, ok := strings.CutPrefix(u.GetKind(), prefix)
	if u.GroupVersionKind().Group != federated.Group || !ok || kind == "" {
		return Type{}, fmt.Errorf("no FederatedTypeConfig names the kind %s of group %q: give its FederatedTypeConfig too", u.GetKind(), u.GroupVersionKind().Group)
	}
	gvk, known := builtin(kind)
	if apiVersion != "" {
		gvk, known = schema.FromAPIVersionAndKind(apiVersion, kind), true
	}
	if !known {
		return Type{}, fmt.Errorf("it is not known what %s puts into members: give its FederatedTypeConfig too, or write apiVersion and kind into the template", u.GetKind())
	}
	t := Type{Target: render.Target{Kind: gvk, Namespaced: !clusterScoped[kind]}}
	t.Namespaced = t.Target.Namespaced || t.Target.IsNamespace()
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	t.Name, t.Resource = plural.GroupResource().String(), plural.Resource
	scope := "in a namespace"
	if !t.Target.Namespaced {
		scope = "in no namespace"
	}
	t.Assumed = []string{fmt.Sprintf("no FederatedTypeConfig of %s is known, so that it is taken to propagate %s of %s, %s", u.GetKind(), kind, gvk.GroupVersion(), scope)}
	return t, nil
}

// builtin returns a kind of Kubernetes' own in its preferred version.
func builtin(kind string) (schema.GroupVersionKind, bool) {
	var found []schema.GroupVersionKind
	for _, version := range scheme.Scheme.PrioritizedVersionsAllGroups() {
		if gvk := version.WithKind(kind); scheme.Scheme.Recognizes(gvk) && version.Group != "extensions" {
			found = append(found, gvk)
		}
	}
	if len(found) == 0 {
		return schema.GroupVersionKind{}, false
	}
	// One group has most kinds; of Event, which two have, the core one is meant.
	return slices.MinFunc(found, func(a, b schema.GroupVersionKind) int { return cmp.Compare(a.Group, b.Group) }), true
}

// clusterScoped are the kinds of Kubernetes' own that are in no namespace, as far as somebody may federate them.
var clusterScoped = map[string]bool{
	"Namespace": true, "Node": true, "PersistentVolume": true, "ClusterRole": true, "ClusterRoleBinding": true, "StorageClass": true,
	"PriorityClass": true, "RuntimeClass": true, "IngressClass": true, "CSIDriver": true, "VolumeAttachment": true,
	"CustomResourceDefinition": true, "APIService": true, "ValidatingWebhookConfiguration": true, "MutatingWebhookConfiguration": true,
	"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true, "PriorityLevelConfiguration": true, "FlowSchema": true,
	"CertificateSigningRequest": true, "ClusterTrustBundle": true, "DeviceClass": true,
}
