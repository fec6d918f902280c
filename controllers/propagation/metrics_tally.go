package propagation

import (
	"maps"
	"slices"
	"time"

	"github.com/cellfed/cellfed/internal/engine"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/report"
)

// The states of a federated object in one topology, in metrics.
const (
	placementInSync      = "in_sync"
	placementHeld        = "held"
	placementRemoving    = "removing"
	placementUnreachable = "unreachable"
	placementFailed      = "failed"
)

// The states of a federated object as a whole, in metrics, beside the above.
const (
	objectProgressing = "progressing"
	objectUnplaced    = "unplaced"
	objectUnplaceable = "unplaceable"
	objectDeleting    = "deleting"
)

// maxMarks is how many changes of an object are told apart that a topology has not received yet.
const maxMarks = 8

// placement is what entries of a ledger are counted by.
type placement struct{ typeName, cluster, cell, state string }

// objectState is what federated objects are counted by.
type objectState struct{ typeName, state string }

// mark is a change of a federated object: its generation, and when the watch brought it.
type mark struct {
	generation int64
	since      time.Time
}

// delivery is what a topology has not received yet, the oldest first.
type delivery struct {
	member string
	marks  []mark
}

// tally counts what a ledger holds as it comes and goes, so that nobody has to go through it. The ledger's lock guards it.
type tally struct {
	placements map[placement]int
	objects    map[objectState]int
	states     map[engine.ObjectKey]string
	// changes were not planned yet, deliveries were and did not arrive.
	changes    map[engine.ObjectKey]mark
	deliveries map[engine.ObjectKey]map[string]*delivery
}

func newTally() tally {
	return tally{
		placements: map[placement]int{}, objects: map[objectState]int{}, states: map[engine.ObjectKey]string{},
		changes: map[engine.ObjectKey]mark{}, deliveries: map[engine.ObjectKey]map[string]*delivery{},
	}
}

// placementOf says how an entry is counted.
func placementOf(key engine.Key, e Entry) placement {
	p := placement{typeName: key.Type, cluster: e.Member, cell: key.Topology, state: placementFailed}
	if key.Topology == e.Member {
		p.cell = "" // It is the physical cluster itself.
	}
	switch e.Outcome.Status {
	case federated.StatusOK:
		p.state = placementInSync
	case federated.StatusHeld:
		p.state = placementHeld
	case federated.StatusWaitingForRemoval:
		p.state = placementRemoving
	case federated.StatusClusterNotReady, federated.StatusCachedRetrievalFailed, federated.StatusRetrievalFailed:
		p.state = placementUnreachable
	}
	return p
}

// enter counts an entry, and leave no longer does.
func (t *tally) enter(key engine.Key, e Entry) {
	if !e.Gone && !e.Beyond {
		t.placements[placementOf(key, e)]++
	}
}

func (t *tally) leave(key engine.Key, e Entry) {
	if !e.Gone && !e.Beyond {
		count(t.placements, placementOf(key, e), -1)
	}
}

// forget no longer counts an object, nor what was found of it.
func (t *tally) forget(key engine.ObjectKey, found map[string]Entry) {
	for topology, e := range found {
		t.leave(engine.Key{ObjectKey: key, Topology: topology}, e)
	}
	if state, ok := t.states[key]; ok {
		count(t.objects, objectState{key.Type, state}, -1)
		delete(t.states, key)
	}
	delete(t.changes, key)
	delete(t.deliveries, key)
}

// forgetType no longer counts the objects of a type.
func (t *tally) forgetType(name string) {
	maps.DeleteFunc(t.placements, func(p placement, _ int) bool { return p.typeName == name })
	maps.DeleteFunc(t.objects, func(o objectState, _ int) bool { return o.typeName == name })
	maps.DeleteFunc(t.states, func(key engine.ObjectKey, _ string) bool { return key.Type == name })
	maps.DeleteFunc(t.changes, func(key engine.ObjectKey, _ mark) bool { return key.Type == name })
	maps.DeleteFunc(t.deliveries, func(key engine.ObjectKey, _ map[string]*delivery) bool { return key.Type == name })
}

// count leaves no zeros behind: of what is not there any more there is no series.
func count[K comparable](counts map[K]int, key K, change int) {
	if counts[key] += change; counts[key] == 0 {
		delete(counts, key)
	}
}

// Changed notes that the watch brought a change of an object.
func (l *Ledger) Changed(key engine.ObjectKey, generation int64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, ok := l.tally.changes[key]
	if !ok {
		m.since = now
	}
	m.generation = max(m.generation, generation)
	l.tally.changes[key] = m
}

// Planned notes in which members a generation is to arrive, by topology. Nothing is waited for in any other. It reports
// whether that is new, and since when.
func (l *Ledger) Planned(key engine.ObjectKey, generation int64, members map[string]string) (since time.Time, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.tally.deliveries[key]
	for topology := range waiting {
		if _, ok := members[topology]; !ok {
			delete(waiting, topology)
		}
	}
	m, ok := l.tally.changes[key]
	if ok && m.generation <= generation {
		since, fresh = m.since, true
		delete(l.tally.changes, key)
		if waiting == nil && len(members) > 0 {
			waiting = map[string]*delivery{}
			l.tally.deliveries[key] = waiting
		}
		for topology, member := range members {
			d := waiting[topology]
			if d == nil || d.member != member {
				d = &delivery{member: member}
				waiting[topology] = d
			}
			d.add(m)
		}
	}
	if len(waiting) == 0 {
		delete(l.tally.deliveries, key)
	}
	return since, fresh
}

// Awaited reports whether a generation of an object is still to arrive in a topology.
func (l *Ledger) Awaited(key engine.Key, generation int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.tally.deliveries[key.ObjectKey][key.Topology]
	return d != nil && slices.ContainsFunc(d.marks, func(m mark) bool { return m.generation <= generation })
}

func (d *delivery) add(m mark) {
	if n := len(d.marks); n == maxMarks {
		d.marks[n-1].generation = m.generation
		return
	}
	d.marks = append(d.marks, m)
}

// membersOf returns the members of the topologies that an object is placed in, where something can be done.
func membersOf(topologies []Topology, placed map[string]bool) map[string]string {
	members := map[string]string{}
	for _, t := range topologies {
		if placed[t.Name] && t.Blocked == "" {
			members[t.Name] = t.Member
		}
	}
	return members
}

// generationOf is that of an object that there may be none of.
func generationOf(o *federated.Object) int64 {
	if o == nil {
		return 0
	}
	return o.Generation
}

// Delivered notes what a generation of an object has come to in a topology. If a write has just brought a change there, it
// returns since when the oldest such was waited for. What has failed is still waited for.
func (l *Ledger) Delivered(key engine.Key, generation int64, outcome report.Outcome) (since time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.tally.deliveries[key.ObjectKey][key.Topology]
	if d == nil {
		return time.Time{}, false
	}
	state := placementOf(key, Entry{Outcome: outcome}).state
	if state == placementFailed || state == placementUnreachable {
		return time.Time{}, false
	}
	arrived := slices.IndexFunc(d.marks, func(m mark) bool { return m.generation > generation })
	if arrived < 0 {
		arrived = len(d.marks)
	}
	if arrived > 0 && outcome.Changed && state == placementInSync {
		since, ok = d.marks[0].since, true
	}
	if d.marks = slices.Delete(d.marks, 0, arrived); len(d.marks) == 0 {
		l.tally.undelivered(key)
	}
	return since, ok
}

// undelivered no longer waits for anything in a topology.
func (t *tally) undelivered(key engine.Key) {
	delete(t.deliveries[key.ObjectKey], key.Topology)
	if len(t.deliveries[key.ObjectKey]) == 0 {
		delete(t.deliveries, key.ObjectKey)
	}
}

// Noted notes the state of an object as a whole.
func (l *Ledger) Noted(key engine.ObjectKey, state string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, ok := l.tally.states[key]
	if ok && before == state {
		return
	}
	if ok {
		count(l.tally.objects, objectState{key.Type, before}, -1)
	}
	l.tally.states[key] = state
	l.tally.objects[objectState{key.Type, state}]++
}

// stateOf says how an object is as a whole, given what is reported of it.
func stateOf(v *view, s *federated.Summary) string {
	switch {
	case v.object.Deleting:
		return objectDeleting
	case v.reason != "":
		return objectUnplaceable
	case s == nil:
		return objectProgressing
	case s.Failed > 0:
		return placementFailed
	case s.InSync+s.Held < s.Placed:
		return objectProgressing
	case s.Held > 0:
		return placementHeld
	case s.Placed == 0:
		return objectUnplaced
	}
	return placementInSync
}
