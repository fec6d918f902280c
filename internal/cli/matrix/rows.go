package matrix

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

// builder holds what Of has found out so far.
type builder struct {
	Input
	names      topology.Type
	cells      map[string]*v1alpha1.Cell
	propagator v1alpha1.Propagator
	// stale says that the status speaks of another generation than the object's.
	stale bool
}

// rows returns a row for each topology that the status lists, and for each that the placement names and the status does not.
func (b *builder) rows() []Row {
	o := b.Object
	listed := make(map[string]bool, len(o.Status.Clusters))
	rows := make([]Row, 0, len(o.Status.Clusters))
	for i := range o.Status.Clusters {
		c := &o.Status.Clusters[i]
		if listed[c.Name] {
			continue
		}
		listed[c.Name] = true
		rows = append(rows, b.reported(c))
	}
	unreported := slices.DeleteFunc(b.placed(), func(cluster string) bool { return listed[cluster] })
	// What the status counts and does not list is on its way: the rest is placed by name alone.
	expected := b.stale || o.Status.Summary != nil && int(o.Status.Summary.Placed) > count(rows).Placed
	for _, cluster := range unreported {
		rows = append(rows, b.unreported(cluster, expected))
	}
	slices.SortFunc(rows, byPlace)
	return rows
}

// row begins the row of a topology, given by its KubeFedCluster.
func (b *builder) row(cluster string) Row {
	row := Row{Name: b.names.FromCluster(b.Object.Namespace, cluster), KubeFedCluster: cluster}
	switch cell := b.cells[cluster]; {
	case cell != nil:
		row.Cluster, row.TargetNamespace = cell.Spec.ClusterName, cell.TargetNamespace()
	case !b.names.Namespaced:
		row.Cluster, row.TargetNamespace = cluster, b.Object.Namespace
	}
	return row
}

// reported returns the row of a topology that the status lists.
func (b *builder) reported(c *federated.ClusterStatus) Row {
	row := b.row(c.Name)
	row.Generation, row.Since, row.Message = c.Generation, c.LastChangeTime, c.Message
	row.State = b.state(c)
	switch {
	case failure(c.Status) && row.State == Progressing:
		row.Message = c.Status + " was reported before the cell was ready"
	case failure(c.Status):
		row.Reason = c.Status
	}
	if row.State == Progressing && row.Message == "" && b.stale {
		row.Message = fmt.Sprintf("generation %d is not reported yet", b.Object.Generation)
	}
	row.Health, row.Working = b.health(c, row.State)
	return row
}

// state tells how the object fares in a topology that the status lists: by what is wanted now, which the status may not
// have caught up with.
func (b *builder) state(c *federated.ClusterStatus) State {
	o := b.Object
	kubeFed := b.propagator == v1alpha1.PropagatorKubeFed
	removed := o.Deleting || c.Status == federated.StatusWaitingForRemoval || b.stale && o.Placement.Clusters != nil && !slices.Contains(o.Placement.Clusters, c.Name)
	switch {
	case !kubeFed && !o.Mask.Allows(c.Name):
		return Held
	case failure(c.Status) && !b.outdated(c):
		return Failed
	case removed:
		return Removing
	case failure(c.Status):
		return Progressing
	case kubeFed && b.stale:
		return Unknown
	case kubeFed:
		return InSync
	case c.Status == federated.StatusOK && c.Generation == o.Generation:
		return InSync
	default:
		return Progressing
	}
}

// catchUp is how long after a cell has become ready a status may still speak of the time before: KubeFed begins to use a cluster
// twenty seconds after it is ready, as it ships.
const catchUp = time.Minute

// outdated reports whether a status says that the cluster could not be reached, and is about to be written anew, because the
// cell has just become ready.
func (b *builder) outdated(c *federated.ClusterStatus) bool {
	switch c.Status {
	case federated.StatusClusterNotReady, federated.StatusCachedRetrievalFailed, federated.StatusRetrievalFailed:
	default:
		return false
	}
	cell := b.cells[c.Name]
	if cell == nil || b.Now.IsZero() {
		return false
	}
	ready := meta.FindStatusCondition(cell.Status.Conditions, string(v1alpha1.ConditionReady))
	return ready != nil && ready.Status == metav1.ConditionTrue && b.Now.Sub(ready.LastTransitionTime.Time) < catchUp
}

// unreported returns the row of a topology that the object names and the status does not list.
func (b *builder) unreported(cluster string, expected bool) Row {
	row := b.row(cluster)
	missing := b.names.Namespaced && !b.Incomplete && b.cells[cluster] == nil
	switch {
	case missing:
		row.State, row.Message = Unknown, "there is no such cell in the namespace"
	case b.propagator != v1alpha1.PropagatorKubeFed && !b.Object.Mask.Allows(cluster):
		row.State = Held
	case expected && !b.Object.Deleting:
		row.State, row.Message = Progressing, "not reported yet"
	default:
		row.State, row.Message = Unknown, "not placed there: the FederatedNamespace does not place it, or the cluster is not open to this namespace"
	}
	return row
}

// placed returns the KubeFedClusters that the placement names, or selects among the cells.
func (b *builder) placed() []string {
	o := b.Object
	if errors.Is(o.Invalid, federated.ErrPlacement) {
		return nil
	}
	if o.Placement.Clusters != nil {
		return slices.Compact(slices.Sorted(slices.Values(o.Placement.Clusters)))
	}
	if !b.names.Namespaced {
		return nil
	}
	var selected []string
	for cluster, cell := range b.cells {
		if ok, err := o.Placement.Selects(cluster, Labels(cell)); err == nil && ok {
			selected = append(selected, cluster)
		}
	}
	slices.Sort(selected)
	return selected
}

// Labels returns the labels of the KubeFedCluster that stands for a cell, as far as the cell tells them.
func Labels(cell *v1alpha1.Cell) map[string]string {
	labels := maps.Clone(cell.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		v1alpha1.NamespaceLabel: cell.Namespace, v1alpha1.CellLabel: cell.Name,
		v1alpha1.ClusterLabel: cell.Spec.ClusterName, v1alpha1.TopologyTypeLabel: topology.Cell,
	})
	return labels
}

// notes says what the reader has to know of how much is told.
func (b *builder) notes() []string {
	o := b.Object
	var notes []string
	if o.Invalid != nil {
		notes = append(notes, "The object cannot be propagated as it is: "+o.Invalid.Error())
	}
	if b.propagator == v1alpha1.PropagatorKubeFed {
		note := "KubeFed propagates this type: it reports neither the generation nor the time for each topology, and no availability"
		if o.Mask != nil {
			note += "; it obeys no placement mask"
		}
		notes = append(notes, note)
	}
	switch {
	case o.Status.ObservedGeneration == 0 && len(o.Status.Conditions) == 0:
		notes = append(notes, "Nothing has been reported yet")
	case b.stale:
		notes = append(notes, fmt.Sprintf("The status speaks of generation %d, and the object is at %d", o.Status.ObservedGeneration, o.Generation))
	}
	if b.Incomplete {
		notes = append(notes, "The cells of the namespace cannot be read: their clusters are not told")
	}
	return notes
}

// failure reports whether a word of the status means that something went wrong.
func failure(word string) bool {
	return word != federated.StatusOK && word != federated.StatusHeld && word != federated.StatusWaitingForRemoval
}
