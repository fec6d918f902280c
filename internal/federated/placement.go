package federated

import (
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/cellfed/cellfed/internal/topology"
)

// Placement is where a federated object of version V1Beta1 belongs, as upstream KubeFed reads it.
type Placement struct {
	// TopologyType is spec.topologyType, the default where the object has none.
	TopologyType string

	// Clusters are the names in spec.placement.clusters. Nil means that the list is absent, or null, so that
	// the selector counts. A list that is there but empty selects nothing.
	Clusters []string

	// Selector is spec.placement.clusterSelector. Nil selects nothing, an empty one everything.
	Selector *metav1.LabelSelector

	// StatusClusters are the names in status.clusters: where the object was placed when upstream last wrote its
	// status, and may still be.
	StatusClusters []string
}

// PlacementOf reads the placement of a federated object, given as unstructured content. It fails for an object that is
// not of version V1Beta1, or whose placement or status upstream could not read either. The object is not kept.
func PlacementOf(object map[string]any) (Placement, error) {
	if apiVersion := object["apiVersion"]; apiVersion != APIVersionV1Beta1 {
		return Placement{}, fmt.Errorf("apiVersion %v is %w to read a placement from: use %s", apiVersion, ErrUnknownVersion, APIVersionV1Beta1)
	}
	p := Placement{TopologyType: topology.Default}
	spec, err := child(object, "spec")
	if err != nil {
		return Placement{}, err
	}
	if err := decode(spec, topologyTypeKey, "spec.topologyType", &p.TopologyType); err != nil {
		return Placement{}, err
	}
	var placement struct {
		Clusters        namedList             `json:"clusters"`
		ClusterSelector *metav1.LabelSelector `json:"clusterSelector"`
	}
	if err := decode(spec, "placement", "spec.placement", &placement); err != nil {
		return Placement{}, err
	}
	status, err := child(object, "status")
	if err != nil {
		return Placement{}, err
	}
	var statusClusters namedList
	if err := decode(status, listKey.v1beta1, "status.clusters", &statusClusters); err != nil {
		return Placement{}, err
	}
	p.Clusters, p.Selector, p.StatusClusters = placement.Clusters.strings(), placement.ClusterSelector, statusClusters.strings()
	return p, nil
}

// Selects reports whether the placement selects a KubeFedCluster of that name and with those labels: the list if there
// is one, else the selector. It fails if the selector counts and is not valid, and then upstream places the object
// nowhere new and removes it from nowhere.
func (p Placement) Selects(cluster string, clusterLabels map[string]string) (bool, error) {
	if p.Clusters != nil {
		return slices.Contains(p.Clusters, cluster), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(p.Selector)
	if err != nil {
		return false, fmt.Errorf("spec.placement.clusterSelector: %w", err)
	}
	return selector.Matches(labels.Set(clusterLabels)), nil
}

type namedList []struct {
	Name string `json:"name"`
}

// strings returns the names, nil for a list that is not there.
func (ns namedList) strings() []string {
	if ns == nil {
		return nil
	}
	s := make([]string, 0, len(ns))
	for _, n := range ns {
		s = append(s, n.Name)
	}
	return s
}

func child(object map[string]any, key string) (map[string]any, error) {
	switch value := object[key].(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return value, nil
	default:
		return nil, fmt.Errorf("%s is a %T: it must be an object", key, value)
	}
}

// decode reads a field into a Go value by way of JSON, which is how upstream does it. A field that is not there leaves
// the value as it is.
func decode(object map[string]any, key, path string, into any) error {
	value, ok := object[key]
	if !ok {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
