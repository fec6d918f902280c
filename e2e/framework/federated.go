package framework

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// FederatedGroup is the group of federated kinds.
const FederatedGroup = "types.kubefed.io"

// Federated describes a federated object in either version.
type Federated struct {
	// Version is v1beta1 or v2beta1, and Group that of the kind: empty means FederatedGroup.
	Version, Group string
	// Kind is the federated kind.
	Kind            string
	Namespace, Name string
	// Cells makes topologyType cell.
	Cells bool
	// Placement names clusters in v1beta1 and topologies in v2beta1. Nil means no list, empty an empty one.
	Placement []string
	// Mask is the placement mask, likewise.
	Mask []string
	// Template is the content of the template.
	Template map[string]any
	// Overrides are patches by the name of a cluster or topology: lists of {path, op, value}.
	Overrides map[string][]any
}

// Object returns the object.
func (f Federated) Object() *unstructured.Unstructured {
	words := struct{ list, override, patches string }{"clusters", "clusterName", "clusterOverrides"}
	if f.Version == "v2beta1" {
		words = struct{ list, override, patches string }{"topologies", "topologyName", "topologyOverrides"}
	}
	placement := map[string]any{}
	if f.Placement != nil {
		placement[words.list] = nameList(f.Placement)
	}
	spec := map[string]any{"placement": placement}
	if f.Template != nil {
		spec["template"] = f.Template
	}
	if f.Cells {
		spec["topologyType"] = "cell"
	}
	if f.Mask != nil {
		spec["placementMask"] = map[string]any{words.list: nameList(f.Mask)}
	}
	if len(f.Overrides) > 0 {
		var overrides []any
		for _, name := range slices.Sorted(maps.Keys(f.Overrides)) {
			overrides = append(overrides, map[string]any{words.override: name, words.patches: f.Overrides[name]})
		}
		spec["overrides"] = overrides
	}
	object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	group := f.Group
	if group == "" {
		group = FederatedGroup
	}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: f.Version, Kind: f.Kind})
	object.SetNamespace(f.Namespace)
	object.SetName(f.Name)
	return object
}

func nameList(names []string) []any {
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = map[string]any{"name": name}
	}
	return list
}
