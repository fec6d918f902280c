package matrix

import (
	"cmp"
	"slices"
	"time"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

// OfFleet tells how all objects of a fleet fare, by namespace, type and name. What cannot be read as a federated object is
// left out.
func OfFleet(fleet *kube.Fleet, now time.Time) []Matrix {
	cells := map[string][]v1alpha1.Cell{}
	for i := range fleet.Cells {
		cells[fleet.Cells[i].Namespace] = append(cells[fleet.Cells[i].Namespace], fleet.Cells[i])
	}
	var all []Matrix
	for _, t := range fleet.Objects {
		for i := range t.Items {
			object, err := federated.Decode(&t.Items[i])
			if err != nil {
				continue
			}
			all = append(all, Of(Input{
				Type: t.Name, Kind: t.Target.GroupKind(), Propagator: t.Propagator, Object: object,
				Cells: cells[object.Namespace], Incomplete: fleet.CellsHidden, Now: now,
			}))
		}
	}
	slices.SortStableFunc(all, func(a, b Matrix) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// Columns returns a column for each cell.
func Columns(cells []v1alpha1.Cell) []Column {
	columns := make([]Column, 0, len(cells))
	for i := range cells {
		c := &cells[i]
		columns = append(columns, Column{
			KubeFedCluster: topology.CellClusterName(c.Namespace, c.Name), Title: c.Name, Cluster: c.Spec.ClusterName,
		})
	}
	return columns
}

// Counts counts the objects of each topology, by its KubeFedCluster.
func Counts(objects []Matrix) map[string]Summary {
	rows := map[string][]Row{}
	for i := range objects {
		for _, row := range objects[i].Rows {
			rows[row.KubeFedCluster] = append(rows[row.KubeFedCluster], row)
		}
	}
	counts := make(map[string]Summary, len(rows))
	for cluster, list := range rows {
		counts[cluster] = count(list)
	}
	return counts
}
