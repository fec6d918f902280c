package validation

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// PlacedIn is a federated object that may be placed on physical clusters, and the labels of its Namespace. The namespace is
// empty for a cluster-scoped one, which is nobody's.
type PlacedIn struct {
	Placed
	Namespace       string
	NamespaceLabels map[string]string
}

// clusterOwnership are the labels that say whom a KubeFedCluster serves.
var clusterOwnership = []string{
	v1alpha1.TopologyTypeLabel, v1alpha1.GeneratedLabel, v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel, v1alpha1.SharedLabel,
}

// ClusterCutsOff reports whether a physical KubeFedCluster may cease to serve somebody: whether KubeFedClusterObjects is to be
// asked.
func ClusterCutsOff(cluster, old Cluster) bool {
	if topology.StandsForCell(old.Labels) || cluster.Labels[v1alpha1.SharedLabel] == "true" && !topology.StandsForCell(cluster.Labels) {
		return false
	}
	return slices.ContainsFunc(clusterOwnership, func(key string) bool { return cluster.Labels[key] != old.Labels[key] })
}

// KubeFedClusterObjects says which federated objects a change to the labels of a KubeFedCluster would cut off from it: those
// that are placed on it, or are still there, and whose Namespaces it does not serve afterwards. Cells are not asked about.
func KubeFedClusterObjects(cluster, old Cluster, objects []PlacedIn, change TenantChange) Result {
	before := scope.Topology{Name: old.Name, Labels: old.Labels, Member: old.Name, MemberLabels: old.Labels}
	after := scope.Topology{Name: old.Name, Labels: cluster.Labels, Member: old.Name, MemberLabels: cluster.Labels}
	var cut []string
	for _, object := range objects {
		owner := object.NamespaceLabels
		if scope.Eligible(object.Namespace, owner, before) && !scope.Eligible(object.Namespace, owner, after) && object.On(before) {
			cut = append(cut, object.whole())
		}
	}
	if len(cut) == 0 {
		return Result{}
	}
	slices.Sort(cut)
	key := changedLabel(cluster.Labels, old.Labels, clusterOwnership...)
	return change.judge(field.Invalid(labelPath(key), cluster.Labels[key], fmt.Sprintf(
		"the change would cut off what the cluster holds of namespaces that it does not serve then: %s: take the cluster out of their placements and wait until they are gone there, "+
			"or leave the label as it was, or set cellfed.io/shared: \"true\" for the time in which their Namespaces follow", few(cut))))
}

// whole names the object together with its namespace.
func (p PlacedIn) whole() string {
	if p.Namespace != "" {
		p.Name = p.Namespace + "/" + p.Name
	}
	return p.String()
}
