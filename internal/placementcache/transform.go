package placementcache

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/wire"
)

// heldStatus is the status of a cluster that the placement mask keeps as it is.
const heldStatus = "Held"

// Unread are large fields that Strip leaves out. A client that does not read them at all spares decoding them. It reads
// annotations: one of them ends what a watch begins with.
var Unread = wire.Without{
	"metadata": {"managedFields": nil, "annotations": {corev1.LastAppliedConfigAnnotation: nil}},
	"spec":     {"template": nil, "overrides": nil, "placementMask": nil},
	"status":   {"conditions": nil, "summary": nil, "clusters": unreadItem, "topologies": unreadItem},
}

var unreadItem = wire.Without{"remoteStatus": nil, "appliedVersion": nil, "lastChangeTime": nil, "message": nil}

// Strip is a cache.TransformFunc. Of a federated object it keeps what says where the object is placed and where it has been
// put: identity, generation, deletion, finalizers, the label that marks what cellfed generated, topology type, placement,
// and of the status the observed generation, the clusters' names, and which of them are held. Everything else goes, the
// template above all, because there can be many thousands of such objects.
//
// An object in v2beta1 becomes one in v1beta1, so that whoever reads the cache sees one form whatever is stored. What is not
// an unstructured object comes back as it is.
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
		for _, key := range []string{"clusters", "topologies"} {
			if items, ok := status[key].([]any); ok {
				sub(out.Object, "status")[key] = namesOf(items)
			}
		}
	}
	if out.GetAPIVersion() == federated.APIVersionV2Beta1 {
		return convert(out)
	}
	return out, nil
}

// convert returns the object in v1beta1.
func convert(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	fail := func(err error) (*unstructured.Unstructured, error) {
		return nil, fmt.Errorf("convert %s %s/%s to v1beta1: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return fail(err)
	}
	if raw, err = federated.Convert(raw, federated.V1Beta1); err != nil {
		return fail(err)
	}
	out := &unstructured.Unstructured{}
	if out.Object, err = wire.Decode(raw, nil); err != nil {
		return fail(err)
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

// namesOf returns the items without the members' own status.
func namesOf(items []any) []any {
	names := make([]any, 0, len(items))
	for _, item := range items {
		cluster, ok := item.(map[string]any)
		if !ok {
			continue
		}
		kept := map[string]any{"name": cluster["name"]}
		if cluster["status"] == heldStatus {
			kept["status"] = heldStatus
		}
		names = append(names, kept)
	}
	return names
}
