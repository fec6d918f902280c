package masking

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

// most is how many topologies are told of one by one.
const most = 12

// leaves reports whether the object is to go from a topology, once it may.
func (p *planner) leaves(cluster string) bool {
	row := p.rows[cluster]
	if p.Object.Deleting {
		return true
	}
	if p.told {
		return !slices.Contains(p.placed, cluster)
	}
	return row != nil && row.State == matrix.Removing
}

// unless says what a release means where nobody here can tell whether a selector still selects the topology: the status
// tells of one that is held that it is, and not why it would be touched.
func (p *planner) unless() string {
	if p.told {
		return ""
	}
	return "; if the selector does not select it any more, the object is removed from there instead"
}

// kept reports whether it is known that the FederatedNamespace keeps the object out of a topology.
func (p *planner) kept(cluster string) bool {
	switch own := p.Namespace; {
	case !p.NamespaceKnown:
		return false
	case own == nil:
		return true
	case errors.Is(own.Invalid, federated.ErrPlacement):
		return false
	case own.Placement.Clusters != nil || own.Placement.Selector == nil:
		return !slices.Contains(own.Placement.Clusters, cluster)
	}
	for i := range p.Cells {
		if cell := &p.Cells[i]; topology.CellClusterName(cell.Namespace, cell.Name) == cluster {
			selected, err := p.Namespace.Placement.Selects(cluster, matrix.Labels(cell))
			return err == nil && !selected
		}
	}
	// Of clusters the labels are not known here.
	return false
}

// released says what becomes of a topology that was held.
func (p *planner) released(cluster string) string {
	name := p.name(cluster)
	o, row := p.Object, p.rows[cluster]
	next := o.Generation + 1
	switch {
	case o.Deleting && o.Annotations[federated.OrphanAnnotation] == "true":
		return fmt.Sprintf("%s: the object stays there and is not the federation's any more, as the federated object is being deleted", name)
	case o.Deleting:
		return fmt.Sprintf("%s: the object is deleted there, as the federated object is", name)
	case p.leaves(cluster):
		return fmt.Sprintf("%s: the object is removed from there, as it is not placed there any more", name)
	case p.kept(cluster) && (row == nil || row.Generation == 0):
		return fmt.Sprintf("%s gets nothing as long as no FederatedNamespace %q places the namespace there", name, o.Namespace)
	case p.kept(cluster):
		return fmt.Sprintf("%s: the object is removed from there, as no FederatedNamespace %q places the namespace there any more", name, o.Namespace)
	case row == nil || row.Generation == 0:
		return fmt.Sprintf("%s gets generation %d, for the first time as far as is known", name, next) + p.unless()
	default:
		return fmt.Sprintf("%s gets generation %d: it has generation %d", name, next, row.Generation) + p.unless()
	}
}

// held says what becomes of a topology that a change could touch.
func (p *planner) held(cluster string) string {
	name := p.name(cluster)
	o, row := p.Object, p.rows[cluster]
	switch {
	case o.Deleting:
		return fmt.Sprintf("%s: the object stays there if it still does, and the deletion of the federated object waits", name)
	case p.leaves(cluster):
		return fmt.Sprintf("%s: the object stays there if it still does, though it is not placed there any more", name)
	case row == nil || row.Generation == 0:
		return fmt.Sprintf("%s stays as it is, and gets nothing", name)
	case row.State != matrix.InSync:
		return fmt.Sprintf("%s stays as it is: it has generation %d as far as is known, and generation %d may be on its way", name, row.Generation, o.Generation)
	default:
		return fmt.Sprintf("%s stays at generation %d", name, row.Generation)
	}
}

// rest says what is true of all others.
func (p *planner) rest(after *federated.Mask) []string {
	var still []string
	for _, cluster := range p.known {
		if !p.Object.Mask.Allows(cluster) && !after.Allows(cluster) {
			still = append(still, p.name(cluster))
		}
	}
	var told []string
	if len(still) > 0 {
		told = append(told, "still held: "+writing.Some(still))
	}
	if p.Object.Deleting {
		return told
	}
	switch before := p.Object.Mask; {
	case after == nil:
		told = append(told, fmt.Sprintf("a %s that is placed later gets the object at once", p.noun()))
	case before == nil:
		told = append(told, fmt.Sprintf("a %s that is placed later is held until it is released", p.noun()))
	}
	return told
}

// shorten counts what is too much to be told.
func shorten(lines []string) []string {
	if more := len(lines) - most; more > 1 {
		return append(lines[:most:most], fmt.Sprintf("and %d more", more))
	}
	return lines
}
