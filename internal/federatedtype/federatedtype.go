// Package federatedtype says what federates a type: the CRD of the federated kind and the FederatedTypeConfig, as upstream
// KubeFed's own tool makes them. It is pure. What cellfed adds to a federated CRD its controller adds later (federatedcrd).
package federatedtype

import (
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/internal/federated"
)

// prefix begins the federated kind and, in lower case, its plural.
const prefix = "Federated"

// namespaces is the plural of the one kind whose federated kind has another scope than the kind itself.
const namespaces = "namespaces"

// Target is a type whose objects are to be put into members.
type Target struct {
	// Group is empty for Kubernetes' core.
	Group, Version, Kind string
	// Plural is the resource's name.
	Plural string
	// ShortNames are the resource's: the federated resource has the same after an f.
	ShortNames []string
	// Namespaced says that the objects are in a namespace.
	Namespaced bool
	// Scalable says that the spec has replicas, which an autoscaler in a member may own.
	Scalable bool
}

// Name returns the name of the type's FederatedTypeConfig, and of its FederatedTypePolicy.
func (t Target) Name() string {
	return strings.TrimSuffix(t.Plural+"."+t.Group, ".")
}

// FederatedKind returns the kind of the federated objects.
func (t Target) FederatedKind() string { return prefix + t.Kind }

// FederatedPlural returns the resource of the federated objects.
func (t Target) FederatedPlural() string { return strings.ToLower(prefix) + t.Plural }

// CRDName returns the name of the federated kind's CRD.
func (t Target) CRDName() string { return t.FederatedPlural() + "." + federated.Group }

// FederatedScope returns the federated kind's scope. That of Namespaces is in the namespace that it federates.
func (t Target) FederatedScope() apiextensionsv1.ResourceScope {
	if t.Name() == namespaces {
		return apiextensionsv1.NamespaceScoped
	}
	return t.scope()
}

func (t Target) scope() apiextensionsv1.ResourceScope {
	if t.Namespaced {
		return apiextensionsv1.NamespaceScoped
	}
	return apiextensionsv1.ClusterScoped
}

// CRD returns the federated kind's CRD.
func CRD(t Target) *unstructured.Unstructured {
	names := map[string]any{"kind": t.FederatedKind(), "plural": t.FederatedPlural()}
	if len(t.ShortNames) > 0 {
		var short []any
		for _, name := range t.ShortNames {
			short = append(short, "f"+name)
		}
		names["shortNames"] = short
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiextensionsv1.SchemeGroupVersion.String(),
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": t.CRDName()},
		"spec": map[string]any{
			"group": federated.Group,
			"names": names,
			"scope": string(t.FederatedScope()),
			"versions": []any{map[string]any{
				"name": federated.V1Beta1, "served": true, "storage": true,
				"schema":       map[string]any{"openAPIV3Schema": schema(t.Scalable)},
				"subresources": map[string]any{"status": map[string]any{}},
			}},
		},
	}}
}

// Config returns the type's FederatedTypeConfig in KubeFed's namespace. Without propagation upstream KubeFed leaves the type
// alone, which is for the propagator to be decided by a FederatedTypePolicy.
func Config(t Target, namespace string, propagation kubefedv1beta1.PropagationMode) *unstructured.Unstructured {
	target := map[string]any{"version": t.Version, "kind": t.Kind, "pluralName": t.Plural, "scope": string(t.scope())}
	if t.Group != "" {
		target["group"] = t.Group
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": kubefedv1beta1.SchemeGroupVersion.String(),
		"kind":       "FederatedTypeConfig",
		"metadata":   map[string]any{"name": t.Name(), "namespace": namespace},
		"spec": map[string]any{
			"federatedType": map[string]any{
				"group": federated.Group, "version": federated.V1Beta1, "kind": t.FederatedKind(), "pluralName": t.FederatedPlural(),
				"scope": string(t.FederatedScope()),
			},
			"propagation": string(propagation),
			"targetType":  target,
		},
	}}
}

// Scalable reports whether a schema, as a CRD declares it for a version, has replicas in its spec.
func Scalable(schema *apiextensionsv1.JSONSchemaProps) bool {
	if schema == nil {
		return false
	}
	spec := schema.Properties["spec"]
	replicas, ok := spec.Properties["replicas"]
	return ok && replicas.Type == "integer" && replicas.Format == "int32"
}
