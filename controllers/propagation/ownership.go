package propagation

import (
	"slices"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/scope"
)

// owner says whose an object in a member is.
type owner int

const (
	// free objects are nobody's: nobody propagated them, or they were released.
	free owner = iota
	// ours are the topology's.
	ours
	// foreign objects belong to another topology, or are managed through the physical cluster.
	foreign
	// unmanaged objects carry upstream's label with the value "false": hands off.
	unmanaged
)

const labelTrue, labelFalse = "true", "false"

// ownerOf reads it from an object's labels, as the façade does.
func ownerOf(labels map[string]string, t scope.Topology) owner {
	upstream, managed := labels[v1alpha1.KubeFedManagedLabel], labels[v1alpha1.ManagedLabel] == labelTrue
	switch {
	case upstream == labelFalse:
		return unmanaged
	case t.View == nil && upstream == labelTrue:
		return ours
	case t.View == nil && managed, t.View != nil && upstream == labelTrue:
		return foreign
	case managed && labels[v1alpha1.NamespaceLabel] == t.View.Namespace && labels[v1alpha1.CellLabel] == t.View.Cell:
		return ours
	case managed:
		return foreign
	default:
		return free
	}
}

// hostsCell reports whether the Namespace that a physical cluster has of a host Namespace is also that of one of the host
// Namespace's cells.
func hostsCell(host Host, namespace string, t Topology) bool {
	return t.View == nil && slices.ContainsFunc(host.Topologies(namespace), func(cell Topology) bool {
		return cell.View != nil && cell.Member == t.Member && cell.View.TargetNamespace == namespace
	})
}

// labelsOf returns the labels that mark an object as the topology's.
func labelsOf(t scope.Topology) []string {
	if t.View == nil {
		return []string{v1alpha1.KubeFedManagedLabel}
	}
	return []string{v1alpha1.ManagedLabel, v1alpha1.NamespaceLabel, v1alpha1.CellLabel}
}
