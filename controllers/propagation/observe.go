package propagation

import (
	"maps"
	"reflect"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/member"
	"github.com/cellfed/cellfed/internal/topology"
)

// observer turns what happens in members into work. Its methods do not block.
type observer struct {
	engine  feeder
	members lister
}

// lister tells what a member holds as propagated.
type lister interface {
	List(name string, t member.Target) []*member.Object
}

// event is called for every change of an object that a member's cache holds. Either object may be nil.
func (w *observer) event(name string, t member.Target, o, old *member.Object, deleted bool) {
	current := o
	if current == nil {
		current = old
	}
	if current == nil {
		return
	}
	for _, run := range w.engine.Types() {
		if run.Member != t {
			continue
		}
		key := federatedKey(run, name, current)
		if old == nil && run.Target.IsNamespace() {
			// What could not be created for want of the namespace can be now.
			w.engine.PlanAll("", key.Namespace, engine.PriorityChange)
		}
		if deleted || old == nil || old.GetGeneration() != o.GetGeneration() || !reflect.DeepEqual(old.Object["status"], o.Object["status"]) {
			// Whether an object works depends on the generation that its status speaks of.
			w.engine.Report(key.ObjectKey)
		}
		if deleted || !sameButStatus(old, o) {
			w.engine.Propagate(name, engine.PriorityChange, key)
		}
	}
}

// sameButStatus reports whether only the status can have changed: of a kind with generations, and in its labels,
// annotations and finalizers, the object is what it was.
func sameButStatus(old, o *member.Object) bool {
	return old != nil && o.GetGeneration() > 0 && old.GetUID() == o.GetUID() && old.GetGeneration() == o.GetGeneration() &&
		(old.GetDeletionTimestamp() == nil) == (o.GetDeletionTimestamp() == nil) &&
		maps.Equal(old.GetLabels(), o.GetLabels()) && maps.Equal(old.GetAnnotations(), o.GetAnnotations())
}

// federatedKey returns what federated object, in which topology, a member's object was propagated from.
func federatedKey(run *engine.Running, name string, o *member.Object) engine.Key {
	labels := o.GetLabels()
	key := engine.Key{ObjectKey: engine.ObjectKey{Type: run.Name, Namespace: o.GetNamespace(), Name: o.GetName()}, Topology: name}
	if labels[v1alpha1.KubeFedManagedLabel] != labelTrue && labels[v1alpha1.ManagedLabel] == labelTrue {
		key.Namespace = labels[v1alpha1.NamespaceLabel]
		key.Topology = topology.CellClusterName(key.Namespace, labels[v1alpha1.CellLabel])
		if run.Target.IsNamespace() {
			key.Name = key.Namespace
		}
		return key
	}
	if run.Target.IsNamespace() {
		key.Namespace = key.Name
	}
	return key
}

// synced is called when all of a target's objects in a member are known. Some of them may be of federated objects that are
// gone, which nobody plans.
func (w *observer) synced(name string, t *member.Target) {
	for _, run := range w.engine.Types() {
		if run.Member != *t {
			continue
		}
		w.engine.PlanAll(run.Name, "", engine.PriorityResync)
		w.lookType(name, run)
	}
}

// look looks again at all that a member holds.
func (w *observer) look(name string) {
	for _, run := range w.engine.Types() {
		w.lookType(name, run)
	}
}

func (w *observer) lookType(name string, run *engine.Running) {
	for _, o := range w.members.List(name, run.Member) {
		w.engine.Propagate(name, engine.PriorityResync, federatedKey(run, name, o))
	}
}

// health is called when a member answers again, and when it does not any more.
func (w *observer) health(string) { w.engine.PlanAll("", "", engine.PriorityResync) }
