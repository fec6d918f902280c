package placementcache

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Strip is a cache.TransformFunc. Of a federated object in v1beta1 it keeps what says where the object is placed and
// where upstream KubeFed has put it: identity, generation, deletion, finalizers, the label that marks what cellfed
// generated, topology type, placement, and of the status the observed generation and the clusters' names. Everything
// else goes, the template above all, because there can be many thousands of such objects. What is not an unstructured
// object comes back as it is.
func Strip(object any) (any, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return object, nil
	}
	out := &unstructured.Unstructured{Object: map[string]any{}}
	for _, path := range [][]string{
		{"apiVersion"},
		{"kind"},
		{"metadata", "name"},
		{"metadata", "namespace"},
		{"metadata", "uid"},
		{"metadata", "resourceVersion"},
		{"metadata", "generation"},
		{"metadata", "deletionTimestamp"},
		{"metadata", "finalizers"},
		{"metadata", "labels", v1alpha1.GeneratedLabel},
		{"spec", "topologyType"},
		{"spec", "placement"},
		{"status", "observedGeneration"},
	} {
		keep(u.Object, out.Object, path)
	}
	if status, ok := u.Object["status"].(map[string]any); ok {
		if clusters, ok := status["clusters"].([]any); ok {
			sub(out.Object, "status")["clusters"] = clusterNames(clusters)
		}
	}
	return out, nil
}

// keep copies the value at the path, if there is one, without following pointers.
func keep(from, to map[string]any, path []string) {
	last := len(path) - 1
	for _, key := range path[:last] {
		next, ok := from[key].(map[string]any)
		if !ok {
			return
		}
		from = next
	}
	value, ok := from[path[last]]
	if !ok {
		return
	}
	for _, key := range path[:last] {
		to = sub(to, key)
	}
	to[path[last]] = value
}

// sub returns the object at the key, which it makes when there is none.
func sub(object map[string]any, key string) map[string]any {
	if existing, ok := object[key].(map[string]any); ok {
		return existing
	}
	made := map[string]any{}
	object[key] = made
	return made
}

// clusterNames returns the items without the members' own status.
func clusterNames(items []any) []any {
	names := make([]any, 0, len(items))
	for _, item := range items {
		if cluster, ok := item.(map[string]any); ok {
			names = append(names, map[string]any{"name": cluster["name"]})
		}
	}
	return names
}
