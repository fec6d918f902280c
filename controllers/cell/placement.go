package cell

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/internal/federated"
)

// placementOf reads the placement of a federated object. Upstream's form is the same in whatever group somebody has
// put a federated type.
func placementOf(object *unstructured.Unstructured) (federated.Placement, error) {
	content := object.Object
	if object.GetAPIVersion() != federated.APIVersionV1Beta1 {
		content = maps.Clone(content)
		content["apiVersion"] = federated.APIVersionV1Beta1
	}
	return federated.PlacementOf(content)
}

// places reports whether a federated object places the KubeFedCluster of that name and with those labels. Upstream
// places one whose placement it cannot read nowhere new.
func places(object *unstructured.Unstructured, cluster string, labels map[string]string) bool {
	placement, err := placementOf(object)
	if err != nil {
		return false
	}
	selected, err := placement.Selects(cluster, labels)
	return err == nil && selected
}

// objectType returns the topology type that a federated object names, or "".
func objectType(object *unstructured.Unstructured) string {
	t, _, _ := unstructured.NestedString(object.Object, "spec", "topologyType")
	return t
}
