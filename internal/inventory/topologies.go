package inventory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// Topologies returns what objects of a namespace can be placed on: all cells of the namespace and all physical clusters,
// whether they are eligible or not, ordered by name. The empty namespace is that of cluster-scoped objects.
//
// They are as the push reconciler sees them once what was written before has taken effect (Judge), so that an object can
// follow its Cell, and a Cell its Namespace, at once.
func (i *Inventory) Topologies(ctx context.Context, namespace string) ([]scope.Topology, error) {
	if namespace == "" {
		return i.TopologiesFor(ctx, "", nil)
	}
	owner, err := i.Namespace(ctx, namespace)
	switch {
	case apierrors.IsNotFound(err):
		return i.TopologiesFor(ctx, namespace, nil)
	case err != nil:
		return nil, err
	}
	return i.TopologiesFor(ctx, namespace, owner.Labels)
}

// TopologiesFor returns what Topologies does, for a namespace with the labels given.
func (i *Inventory) TopologiesFor(ctx context.Context, namespace string, labels map[string]string) ([]scope.Topology, error) {
	clusters, err := i.clusters(ctx, physicalClusters)
	if err != nil || namespace == "" {
		return Judge(nil, clusters, nil, nil), err
	}
	cells, err := i.CellsIn(ctx, namespace)
	if err != nil || len(cells) == 0 {
		return Judge(nil, clusters, nil, nil), err
	}
	generated, err := i.clusters(ctx, namespace)
	if err != nil {
		return nil, err
	}
	namesakes := make(map[string]scope.Namesake)
	for j := range cells {
		target := cells[j].TargetNamespace()
		if _, known := namesakes[target]; known {
			continue
		}
		if namesakes[target], err = i.Namesake(ctx, target); err != nil {
			return nil, err
		}
	}
	return Judge(labels, append(clusters, generated...), cells, namesakes), nil
}

// clusters returns the KubeFedClusters of the cells of a namespace, or the physical ones.
func (i *Inventory) clusters(ctx context.Context, which string) ([]fedv1b1.KubeFedCluster, error) {
	list := &fedv1b1.KubeFedClusterList{}
	err := i.Reader.List(ctx, list, client.InNamespace(i.KubeFedNamespace),
		client.MatchingFields{clusterNamespace: which}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("list KubeFedClusters: %w", err)
	}
	return list.Items, nil
}

// Judge is a pure function: KubeFedClusters, and the Cells of one namespace with the labels given, to the topologies that
// they are. namesakes is what the host has under the names of the cells' target namespaces.
//
// A cell is judged by what is to become of it: its KubeFedCluster carries the labels that the controller of Cells gives it,
// whether or not it has done so yet. A cell whose physical cluster is not registered is taken for one that its namespace
// may use: nothing can be known of it, the push reconciler does nothing in it until it can, and in GitOps it may come last.
func Judge(namespaceLabels map[string]string, clusters []fedv1b1.KubeFedCluster, cells []v1alpha1.Cell, namesakes map[string]scope.Namesake) []scope.Topology {
	all := make([]scope.Topology, 0, len(clusters)+len(cells))
	byName := make(map[string]*fedv1b1.KubeFedCluster, len(clusters))
	for i := range clusters {
		c := &clusters[i]
		byName[c.Name] = c
		if !topology.StandsForCell(c.Labels) {
			all = append(all, scope.Topology{Name: c.Name, Labels: c.Labels, Member: c.Name, MemberLabels: c.Labels})
		}
	}
	for i := range cells {
		cell := &cells[i]
		name := topology.CellClusterName(cell.Namespace, cell.Name)
		own := byName[name]
		if own != nil && !topology.StandsForCell(own.Labels) {
			// Somebody registered a physical cluster under the cell's name, and has it until it is unregistered.
			continue
		}
		t := scope.Topology{
			Name: name, Labels: cellLabels(namespaceLabels, cell, own), Member: cell.Spec.ClusterName, MemberUnknown: true,
			View:     &mapping.View{Namespace: cell.Namespace, Cell: cell.Name, TargetNamespace: cell.TargetNamespace()},
			Namesake: namesakes[cell.TargetNamespace()],
		}
		if hosting := byName[cell.Spec.ClusterName]; hosting != nil && !topology.StandsForCell(hosting.Labels) {
			t.MemberLabels, t.MemberUnknown = hosting.Labels, false
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b scope.Topology) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// cellLabels returns the labels that the KubeFedCluster of a cell has or is about to have: what others put there, the
// Cell's own, and cellfed's.
func cellLabels(namespaceLabels map[string]string, cell *v1alpha1.Cell, own *fedv1b1.KubeFedCluster) map[string]string {
	ours := [...]topology.Label{
		{Key: v1alpha1.GeneratedLabel, Value: "true"},
		{Key: v1alpha1.NamespaceLabel, Value: cell.Namespace},
		{Key: v1alpha1.CellLabel, Value: cell.Name},
		{Key: v1alpha1.ClusterLabel, Value: cell.Spec.ClusterName},
		{Key: v1alpha1.TopologyTypeLabel, Value: topology.Cell},
		{Key: v1alpha1.TenantLabel, Value: namespaceLabels[v1alpha1.TenantLabel]},
		{Key: v1alpha1.WorkspaceGroupLabel, Value: namespaceLabels[v1alpha1.WorkspaceGroupLabel]},
	}
	if own != nil && carries(own.Labels, cell.Labels, ours[:]) {
		return own.Labels
	}
	labels := make(map[string]string, len(cell.Labels)+len(ours))
	if own != nil {
		maps.Copy(labels, own.Labels)
	}
	for key, value := range cell.Labels {
		if !topology.ReservedLabel(key) {
			labels[key] = value
		}
	}
	for _, l := range ours {
		labels[l.Key] = l.Value
		if l.Value == "" {
			delete(labels, l.Key)
		}
	}
	return labels
}

// carries reports whether labels are what they are to be already, as those of a cell that is at rest are.
func carries(labels, cellLabels map[string]string, ours []topology.Label) bool {
	for key, value := range cellLabels {
		if got, ok := labels[key]; !topology.ReservedLabel(key) && (!ok || got != value) {
			return false
		}
	}
	for _, l := range ours {
		if labels[l.Key] != l.Value {
			return false
		}
	}
	return true
}
