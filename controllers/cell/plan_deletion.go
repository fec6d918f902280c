package cell

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/placementcache"
)

const (
	// syncFinalizer is the finalizer of upstream's sync controller (sigs.k8s.io/kubefed/pkg/controller/sync,
	// FinalizerSyncController). It puts it on an object before it does anything else for it.
	syncFinalizer = "kubefed.io/sync-controller"

	// heldStatus is the status of a cluster that the placement mask keeps as it is.
	heldStatus = "Held"

	// maxNamed is how many of the objects that hold up a deletion are named in a condition.
	maxNamed = 10
)

// hold says in which way something holds up the deletion of a Cell.
type hold int

const (
	holdNone hold = iota
	// holdUnreadable: the objects of a kind cannot be read.
	holdUnreadable
	// holdNamed: the object names the cell.
	holdNamed
	// holdSelected: the object selects the cell by labels.
	holdSelected
	// holdUnclear: the object's placement is not one that upstream could make sense of, which leaves things as they
	// are.
	holdUnclear
	// holdListed: the object does not place the cell, but its status says that it is still there.
	holdListed
	// holdMasked: the same, because its placement mask does not let it go.
	holdMasked
	// holdUnobserved: the object was changed and whoever propagates it has not said yet what came of it.
	holdUnobserved
)

// blocker is one thing that holds up the deletion of a Cell.
type blocker struct {
	kind, name string
	hold       hold
	deleting   bool
}

func (b blocker) String() string {
	if b.hold == holdUnreadable {
		return b.kind + " (cannot be read)"
	}
	subject := fmt.Sprintf("%s %q", b.kind, b.name)
	switch {
	case b.hold == holdMasked:
		return subject + " (its placement mask holds it there: name the cell in the mask, or remove the mask)"
	case b.deleting:
		return subject + " (is being deleted)"
	}
	switch b.hold {
	case holdSelected:
		return subject + " (selects it: change the selector, or the labels of the Cell)"
	case holdUnclear:
		return subject + " (its placement is malformed: correct it)"
	case holdListed:
		return subject + " (still there: it has not been removed yet)"
	case holdUnobserved:
		return subject + " (changed: its status does not speak of the change yet)"
	default:
		return subject + " (names it: take the cell out of the placement)"
	}
}

// blockersOf returns what holds up the deletion of the Cell, ordered by kind and name.
func blockersOf(f *facts) []blocker {
	labels := f.placingLabels()
	var blockers []blocker
	for _, kind := range f.unreadable {
		blockers = append(blockers, blocker{kind: kind, hold: holdUnreadable})
	}
	for _, object := range f.objects {
		if h := holdOf(object, f.clusterName(), labels); h != holdNone {
			blockers = append(blockers, blocker{
				kind: object.Type.Kind, name: object.GetName(), hold: h,
				deleting: object.GetDeletionTimestamp() != nil,
			})
		}
	}
	slices.SortFunc(blockers, func(a, b blocker) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	return blockers
}

// holdOf says whether an object needs the KubeFedCluster of that name, which carries these labels.
//
// What upstream removes from a cluster it reports only while that cluster is ready: a cell whose member is dead can be
// deleted once nothing places it, and what it held stays in the member.
func holdOf(object placementcache.Object, cluster string, labels map[string]string) hold {
	if object.Type.Name == namespacesType && generated(object.Unstructured) {
		// cellfed's own: it places every cell of the namespace as long as there is one.
		return holdNone
	}
	placement, err := placementOf(object.Unstructured)
	if err != nil {
		return holdUnclear
	}
	masked := held(object.Unstructured, cluster)
	selected, err := placement.Selects(cluster, labels)
	switch {
	case err != nil:
		return holdUnclear
	case masked && (!selected || object.GetDeletionTimestamp() != nil):
		// It is to go, and nothing is touched there.
		return holdMasked
	case selected && placement.Clusters != nil:
		return holdNamed
	case selected:
		return holdSelected
	case slices.Contains(placement.StatusClusters, cluster):
		return holdListed
	case !observed(object.Unstructured):
		return holdUnobserved
	default:
		return holdNone
	}
}

// held reports whether the object's status says that its placement mask holds it in the cluster.
func held(object *unstructured.Unstructured, cluster string) bool {
	clusters, _, _ := unstructured.NestedFieldNoCopy(object.Object, "status", "clusters")
	items, _ := clusters.([]any)
	return slices.ContainsFunc(items, func(item any) bool {
		c, ok := item.(map[string]any)
		return ok && c["name"] == cluster && c["status"] == heldStatus
	})
}

// observed reports whether the status speaks of the placement that the object has now. An object that nobody has
// propagated yet and whose placement was never another needs no report.
func observed(object *unstructured.Unstructured) bool {
	placed := object.GetGeneration()
	if object.GetDeletionTimestamp() != nil {
		// The request to delete it counts as a change, on which upstream never reports. Cellfed may, or may not yet.
		placed--
	}
	seen, _, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if err == nil && seen >= placed {
		return true
	}
	return placed <= 1 && !slices.Contains(object.GetFinalizers(), syncFinalizer)
}

// blockedMessage says for what the deletion waits.
func blockedMessage(blockers []blocker) string {
	named := blockers
	if len(named) > maxNamed {
		named = named[:maxNamed]
	}
	parts := make([]string, len(named))
	for i, b := range named {
		parts[i] = b.String()
	}
	message := "waiting for " + strings.Join(parts, ", ")
	if rest := len(blockers) - len(named); rest > 0 {
		message += fmt.Sprintf(" and %d more", rest)
	}
	return message
}

// blockedReason says why the deletion waits.
func blockedReason(blockers []blocker) v1alpha1.ConditionReason {
	if slices.ContainsFunc(blockers, func(b blocker) bool { return b.hold != holdUnreadable }) {
		return v1alpha1.ReasonPlaced
	}
	return v1alpha1.ReasonUnreadable
}
