package cell

import (
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kubefed/pkg/apis/core/common"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/topology"
)

// namespacesType is the name of the FederatedTypeConfig that federates Namespaces, which is fixed upstream.
const namespacesType = common.NamespaceName

// namespaceStep is what is to be done about the FederatedNamespace of a cell's namespace.
//
// It is never deleted, not even with the last cell: upstream would take that for an order to delete the namespace, and
// all that is in it, in every member that it is placed on. The namespace's own deletion takes it along.
type namespaceStep string

const (
	namespaceCreate  namespaceStep = "create"
	namespaceCorrect namespaceStep = "correct"
)

// decideNamespace gives the namespace a FederatedNamespace if it has none, and keeps the one that cellfed made as it
// should be. One that somebody else wrote is theirs.
func decideNamespace(f *facts) namespaceStep {
	if f.federation.kind == "" || !f.federation.read || f.namespace.terminating {
		return ""
	}
	object := f.federation.object
	switch {
	case object == nil && f.servable() && !f.foreign():
		return namespaceCreate
	case object == nil || object.GetDeletionTimestamp() != nil || !generated(object):
		return ""
	}
	corrected := object.DeepCopy()
	placeOnCells(corrected, f.federation.typed)
	if reflect.DeepEqual(object.Object["spec"], corrected.Object["spec"]) {
		return ""
	}
	return namespaceCorrect
}

// generated reports whether an object in the host cluster is one that cellfed made.
func generated(object *unstructured.Unstructured) bool {
	return object.GetLabels()[v1alpha1.GeneratedLabel] == "true"
}

// placeOnCells sets what cellfed wants to see in a FederatedNamespace in v1beta1: that it is placed on the KubeFedClusters
// of all cells of its namespace. In v2beta1 it reads as an empty topologySelector. The type is written only where
// the CRD declares it. Whatever else somebody has added stays.
func placeOnCells(object *unstructured.Unstructured, typed bool) {
	spec := object.Object["spec"]
	content, ok := spec.(map[string]any)
	if !ok {
		content = map[string]any{}
		object.Object["spec"] = content
	}
	if typed {
		content["topologyType"] = topology.Cell
	}
	placement, ok := content["placement"].(map[string]any)
	if !ok {
		placement = map[string]any{}
		content["placement"] = placement
	}
	placement["clusterSelector"] = map[string]any{
		"matchLabels": map[string]any{
			v1alpha1.NamespaceLabel:    object.GetNamespace(),
			v1alpha1.TopologyTypeLabel: topology.Cell,
		},
	}
}

// newFederatedNamespace returns the FederatedNamespace that a namespace with cells gets. The type is written even if
// the CRD does not declare it yet: the API server then drops it.
func newFederatedNamespace(apiVersion, kind, namespace string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion,
		"kind":       kind,
		"spec":       map[string]any{"template": map[string]any{}},
	}}
	object.SetNamespace(namespace)
	object.SetName(namespace)
	object.SetLabels(map[string]string{v1alpha1.GeneratedLabel: "true"})
	placeOnCells(object, true)
	return object
}
