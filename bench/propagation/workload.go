package main

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/e2e/framework"
)

// dataBytes is the size of a ConfigMap's data.
const dataBytes = 1024

// hostKind is a kind that the host's objects are written in.
type hostKind struct {
	group, version string
	// kind is that of the template.
	kind string
}

func (k hostKind) gvk(suffix string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.group, Version: k.version, Kind: "Federated" + k.kind + suffix}
}

func lower(kind string) string { return strings.ToLower(kind) }

func plural(kind string) string { return "federated" + lower(kind) + "s" }

// target returns the kind of the members' objects.
func (k hostKind) target() schema.GroupVersionKind {
	if k.kind == "Deployment" {
		return schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: k.kind}
	}
	return schema.GroupVersionKind{Version: "v1", Kind: k.kind}
}

// spot is where a member holds the objects.
type spot struct {
	cluster   *framework.Cluster
	namespace string
}

// workload is a set of objects and where they go.
type workload struct {
	host hostKind
	// namespace is that of the host's objects, and prefix what their names begin with.
	namespace, prefix string
	count             int
	cells             bool
	// placement returns the placement of an object by its index, and spots where that is.
	placement func(i int) []string
	spots     func(i int) []spot
}

// everywhere is the placement that is the same for all objects.
func everywhere(placement []string, spots []spot) (func(int) []string, func(int) []spot) {
	return func(int) []string { return placement }, func(int) []spot { return spots }
}

// onClusters is a workload of ConfigMaps that go to both members.
func (b *bed) onClusters(version, prefix string, count int) workload {
	w := workload{host: hostKind{framework.FederatedGroup, version, "ConfigMap"}, namespace: plainNamespace, prefix: prefix, count: count}
	w.placement, w.spots = everywhere(members, b.spotsIn(plainNamespace))
	return w
}

// spotsIn are the namespace in both members.
func (b *bed) spotsIn(namespace string) []spot {
	var all []spot
	for _, name := range members {
		all = append(all, spot{b.Member(name), namespace})
	}
	return all
}

// all are the indexes of the objects.
func (w workload) all() []int {
	all := make([]int, w.count)
	for i := range all {
		all[i] = i
	}
	return all
}

func (w workload) name(i int) string { return fmt.Sprintf("%s-%04d", w.prefix, i) }

// hostObject is what the client writes to the host.
func (w workload) hostObject(i int, revision string) *unstructured.Unstructured {
	return framework.Federated{
		Group: w.host.group, Version: w.host.version, Kind: "Federated" + w.host.kind, Namespace: w.namespace, Name: w.name(i),
		Cells: w.cells, Placement: w.placement(i), Template: template(w.host.kind, w.name(i), revision),
	}.Object()
}

// empty is the host's object by its name alone.
func (w workload) empty(i int) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(w.host.gvk(""))
	object.SetNamespace(w.namespace)
	object.SetName(w.name(i))
	return object
}

// memberObject is what the floor writes to a member.
func (w workload) memberObject(i int, revision string, s spot) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: template(w.host.kind, w.name(i), revision)}
	object.SetGroupVersionKind(w.host.target())
	object.SetNamespace(s.namespace)
	object.SetName(w.name(i))
	return object
}

func (w workload) sight(i int, revision string, s spot) framework.Sight {
	return framework.Sight{Namespace: s.namespace, Name: w.name(i), Revision: revision}
}

// template is what an object holds in the members; another revision changes a label and a piece of the content.
func template(kind, name, revision string) map[string]any {
	metadata := map[string]any{"labels": map[string]any{framework.RevisionLabel: revision}}
	if kind != "Deployment" {
		text := "revision " + revision + " of " + name + " "
		return map[string]any{
			"metadata": metadata,
			"data":     map[string]any{"value": text + strings.Repeat("x", max(dataBytes-len(text), 0))},
		}
	}
	labels := map[string]any{"app": name}
	return map[string]any{
		"metadata": metadata,
		"spec": map[string]any{
			"replicas": int64(2), "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels},
				"spec": map[string]any{"containers": []any{map[string]any{
					"name": "app", "image": "registry.invalid/app:" + revision,
					"env":       []any{map[string]any{"name": "REVISION", "value": revision}},
					"ports":     []any{map[string]any{"containerPort": int64(8080), "protocol": "TCP"}},
					"resources": map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "128Mi"}},
				}}},
			},
		},
	}
}
