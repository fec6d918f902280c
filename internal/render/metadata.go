package render

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/scope"
)

// serverOwned is the metadata that an API server alone writes. In an apply most of it would be ignored; a uid, a
// resourceVersion or managedFields would make it fail.
var serverOwned = []string{
	"uid", "resourceVersion", "generation", "selfLink", "managedFields",
	"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
}

// reserved are the labels that mark the objects of cells. Nobody else writes them.
var reserved = []string{v1alpha1.ManagedLabel, v1alpha1.NamespaceLabel, v1alpha1.CellLabel}

// templateMetadata returns the metadata of a template, with or without its overrides, made where there is none. It fails
// where an API server would, or where a label is not the template's to set.
func templateMetadata(object map[string]any) (map[string]any, error) {
	value, ok := object["metadata"]
	if !ok || value == nil {
		metadata := map[string]any{}
		object["metadata"] = metadata
		return metadata, nil
	}
	metadata, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("metadata is %s: give an object", jsonType(value))
	}
	labels, err := stringMap(metadata, "labels")
	if err != nil {
		return nil, err
	}
	for _, key := range reserved {
		if value, ok := labels[key]; ok {
			return nil, fmt.Errorf("metadata.labels[%s] is %q: cellfed alone writes this label, take it out", key, value)
		}
	}
	if _, err := stringMap(metadata, "annotations"); err != nil {
		return nil, err
	}
	return metadata, nil
}

// stringMap returns the labels or the annotations of a metadata, nil for none.
func stringMap(metadata map[string]any, key string) (map[string]any, error) {
	value, ok := metadata[key]
	if !ok || value == nil {
		return nil, nil
	}
	m, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("metadata.%s is %s: give an object", key, jsonType(value))
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if _, ok := m[k].(string); !ok {
			return nil, fmt.Errorf("metadata.%s[%s] is %s: put the value in quotes", key, k, jsonType(m[k]))
		}
	}
	return m, nil
}

// label adds the labels that mark what is propagated.
func label(object map[string]any, t scope.Topology, target Target) {
	metadata, _ := object["metadata"].(map[string]any)
	labels, ok := metadata["labels"].(map[string]any)
	if !ok {
		labels = map[string]any{}
		metadata["labels"] = labels
	}
	if t.View == nil {
		labels[v1alpha1.KubeFedManagedLabel] = "true"
		return
	}
	delete(labels, v1alpha1.KubeFedManagedLabel)
	for key, value := range t.View.Labels() {
		labels[key] = value
	}
	if target.IsNamespace() && labels[corev1.LabelMetadataName] == t.View.Namespace {
		labels[corev1.LabelMetadataName] = t.View.TargetNamespace
	}
}

// storedForm turns the stringData of a Secret into the data that an API server makes of it. Field managers would
// go on owning stringData that is not there, and a key that leaves it would stay in the member.
func storedForm(object map[string]any) {
	from, ok := object["stringData"].(map[string]any)
	if !ok {
		if isEmpty(object["stringData"]) {
			delete(object, "stringData")
		}
		return
	}
	data, ok := object["data"].(map[string]any)
	if !ok {
		if !isEmpty(object["data"]) {
			return
		}
		data = map[string]any{}
	}
	for _, value := range from {
		if _, ok := value.(string); !ok && value != nil {
			return
		}
	}
	for key, value := range from {
		text, _ := value.(string)
		data[key] = base64.StdEncoding.EncodeToString([]byte(text))
	}
	delete(object, "stringData")
	if len(data) > 0 {
		object["data"] = data
	}
}

func jsonType(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	default:
		return "a number"
	}
}

// isEmpty says whether a value is null, or an object or list of nothing.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
