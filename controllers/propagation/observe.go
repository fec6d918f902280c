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
		if old != nil && o != nil {
			if before := federatedKey(run, name, old); before != key {
				// Its labels say that it is another's now. The one that it was taken from misses it.
				w.engine.Report(before.ObjectKey)
				w.engine.Propagate(name, engine.PriorityChange, before)
			}
		}
		if old == nil && run.Target.IsNamespace() {
			// What could not be created for want of the namespace can be now.
			w.engine.PlanAll("", key.Namespace, engine.PriorityChange)
		}
		if deleted || old == nil || old.GetGeneration() != o.GetGeneration() || !maps.Equal(old.GetLabels(), o.GetLabels()) || !reflect.DeepEqual(old.Object["status"], o.Object["status"]) {
			// Whether an object works depends on the generation that its status speaks of, and whose it is on its labels.
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
	return keyByLabels(run, name, o, o.GetLabels())
}

// keyByLabels does so for an object that has these labels.
func keyByLabels(run *engine.Running, name string, o *member.Object, labels map[string]string) engine.Key {
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

// lookNamespace looks again at what any member that a namespace reaches holds of it.
func (w *observer) lookNamespace(host Host, namespace string) {
	seen := map[string]bool{}
	for _, t := range host.Topologies(namespace) {
		if seen[t.Member] {
			continue
		}
		seen[t.Member] = true
		for _, run := range w.engine.Types() {
			for _, o := range w.members.List(t.Member, run.Member) {
				if key := federatedKey(run, t.Member, o); key.Namespace == namespace {
					w.engine.Propagate(t.Member, engine.PriorityResync, key)
				}
			}
		}
	}
}

func (w *observer) lookType(name string, run *engine.Running) {
	for _, o := range w.members.List(name, run.Member) {
		w.engine.Propagate(name, engine.PriorityResync, federatedKey(run, name, o))
	}
}

// health is called when a member answers again, and when it does not any more.
func (w *observer) health(string) { w.engine.PlanAll("", "", engine.PriorityResync) }
