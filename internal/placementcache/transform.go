package placementcache

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
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

// convert returns the object in v1beta1. It may be the same one, changed.
func convert(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if renamed(object) {
		return object, nil
	}
	return converted(object)
}

// converted returns what federated.Convert makes of an object, whatever its form.
func converted(object *unstructured.Unstructured) (*unstructured.Unstructured, error) {
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

// renamed changes a reduced object into what federated.Convert makes of it, if it has the form that nearly all have: a known topology
// type, a list of names as the placement, and names in the status. Otherwise it leaves it as it is.
func renamed(object *unstructured.Unstructured) bool {
	spec, _ := object.Object["spec"].(map[string]any)
	placement, _ := spec["placement"].(map[string]any)
	placed, hasList := placement["topologies"].([]any)
	status, hasStatus := object.Object["status"].(map[string]any)
	holding, hasHolding := status["topologies"].([]any)
	name, hasType := spec["topologyType"].(string)
	if !hasType {
		name = topology.Default
	}
	typ, known := topology.Lookup(name)
	if !hasList || len(placement) != 1 || !known || has(spec, "topologyType") != hasType ||
		has(object.Object, "status") != hasStatus || has(status, "topologies") != hasHolding || has(status, "clusters") {
		return false
	}
	clusters, ok := clustersOf(placed, typ, object.GetNamespace())
	if !ok {
		return false
	}
	holders, ok := clustersOf(holding, typ, object.GetNamespace())
	if !ok {
		return false
	}
	object.SetAPIVersion(federated.APIVersionV1Beta1)
	spec["placement"] = map[string]any{"clusters": clusters}
	// What is the default in one version is spelt out in the other.
	if spec["topologyType"] = name; hasType && name == topology.Default {
		delete(spec, "topologyType")
	}
	if hasHolding {
		delete(status, "topologies")
		status["clusters"] = holders
	}
	return true
}

func has(object map[string]any, key string) bool {
	_, ok := object[key]
	return ok
}

// clustersOf returns the items of a list with the names of the KubeFedClusters. It reports false for items that say more than a name and
// a status.
func clustersOf(items []any, typ topology.Type, namespace string) ([]any, bool) {
	clusters := make([]any, 0, len(items))
	for _, item := range items {
		from, _ := item.(map[string]any)
		name, ok := from["name"].(string)
		if !ok {
			return nil, false
		}
		to := map[string]any{"name": typ.ToCluster(namespace, name)}
		if status, ok := from["status"]; ok {
			to["status"] = status
		}
		if len(to) != len(from) {
			return nil, false
		}
		clusters = append(clusters, to)
	}
	return clusters, true
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
