package matrix

import (
	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/topology"
)

// Placed returns the KubeFedClusters that an object's placement names, or selects among the cells given. Of a selector of
// clusters it tells nothing: the object's status does.
func Placed(in Input) []string {
	b := &builder{Input: in, cells: make(map[string]*v1alpha1.Cell, len(in.Cells))}
	b.names, _ = topology.Lookup(in.Object.Placement.TopologyType)
	for i := range in.Cells {
		b.cells[topology.CellClusterName(in.Cells[i].Namespace, in.Cells[i].Name)] = &in.Cells[i]
	}
	return b.placed()
}
