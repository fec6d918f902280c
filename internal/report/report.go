// Package report says what the status of a federated object is: how each topology is, what that amounts to, and whether
// there is anything to write. It is pure: the time is given to it.
package report

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

// Outcome is what the last reconcile of the object in a topology came to.
type Outcome struct {
	// Status is one of package federated's status words.
	Status string
	// Message says what is wrong, without times or versions.
	Message string
	// Generation is the federated generation that the member has received. 0: none that is known, and what was
	// reported before goes on to hold.
	Generation int64
	// AppliedVersion is what was written and what came of it. Empty: nothing that is known, as for Generation.
	AppliedVersion string
	// Changed says that something was written.
	Changed bool
}

// Topology is what is known of the object in one topology.
type Topology struct {
	// Name is the name of the KubeFedCluster.
	Name string
	// Placed says that the object belongs there.
	Placed bool
	// Held says that nothing may be touched there. Where the object is not placed, or is to be deleted, that is told only
	// if the member has it, as far as is known.
	Held bool
	// Outcome is nil if the object was not reconciled there since the start.
	Outcome *Outcome
	// Live is the member's object. It may be nil because the member has none, or because nobody knows.
	Live *unstructured.Unstructured
	// Known says that the member has none if Live is nil.
	Known bool
}

// StatusPolicy says what is reported of the members' own status.
type StatusPolicy struct {
	// Collection is how much of it is reported. Empty means all.
	Collection v1alpha1.StatusCollection
	// Fields returns the chosen fields of a member's status, for v1alpha1.StatusFields. It does not change the status;
	// what it returns may share with it.
	Fields func(status map[string]any) map[string]any
}

// Input is what Build makes a status of.
type Input struct {
	// Object is the federated object with the status that it has now.
	Object *federated.Object
	// Topologies are those that the object is placed on, and those that have it, or may have it. Their order does
	// not matter.
	Topologies []Topology
	// Reason says why nothing is propagated at all. Empty: nothing keeps it.
	Reason AggregateReason
	// Message goes with the reason. Without one it is what else there is to know, such as what no policy propagates.
	Message string
	// Now is the time, as in RFC 3339.
	Now string
	// Policy is nil if the members' status is reported as a whole.
	Policy *StatusPolicy
	// Kind is the kind of the members' objects.
	Kind schema.GroupVersionKind
}

// Build returns the status that the object is to have, and whether it says anything else than the one that the object has.
// Where it does not, that one is returned with its times. The result may share with the object and with the members'
// objects, and is not to be changed.
func Build(in Input) (status federated.Status, changed bool) {
	b := newBuilder(in)
	b.addEntries()
	b.health = b.judge()
	before := in.Object.Status
	next := federated.Status{ObservedGeneration: in.Object.Generation, Clusters: b.statuses(), Summary: b.summary()}
	sameList := sameClusters(before.Clusters, next.Clusters)
	next.Conditions = b.conditions(!sameList)
	// A list that was written before was not too large.
	if !sameList && fit(&next) {
		sameList = sameClusters(before.Clusters, next.Clusters)
	}
	if sameList && sameElse(before, next) {
		return before, false
	}
	return next, true
}

// entry is a topology that the status lists, with what the status says of it.
type entry struct {
	Topology
	federated.ClusterStatus
	// shown is what people call the topology.
	shown string
	// removed says that the topology is to have the object no more.
	removed bool
}

// builder holds what Build has found out so far.
type builder struct {
	Input
	previous map[string]*federated.ClusterStatus
	// entries are sorted by the name of the KubeFedCluster.
	entries []entry
	// unlisted are the topologies that are to have the object, and of which nothing is known yet.
	unlisted []entry
	// changed says that something was written in a member.
	changed bool
	health  health
}

func newBuilder(in Input) *builder {
	in.Message = shorten(in.Message)
	b := &builder{Input: in, previous: make(map[string]*federated.ClusterStatus, len(in.Object.Status.Clusters))}
	for i := range in.Object.Status.Clusters {
		b.previous[in.Object.Status.Clusters[i].Name] = &in.Object.Status.Clusters[i]
	}
	return b
}

// addEntries decides which topologies the status lists, and what it says of each.
func (b *builder) addEntries() {
	topologies := slices.Clone(b.Topologies)
	lost := b.lost()
	topologies = slices.AppendSeq(topologies, maps.Values(lost))
	slices.SortStableFunc(topologies, func(a, b Topology) int { return cmp.Compare(a.Name, b.Name) })
	// An API server refuses a status that lists a topology twice.
	topologies = slices.CompactFunc(topologies, func(a, b Topology) bool { return a.Name == b.Name })
	names, _ := topology.Lookup(b.Object.Placement.TopologyType)
	b.entries = make([]entry, 0, len(topologies))
	for _, t := range topologies {
		e := entry{Topology: t, shown: names.FromCluster(b.Object.Namespace, t.Name), removed: !t.Placed || b.Object.Deleting}
		b.changed = b.changed || t.Outcome != nil && t.Outcome.Changed
		_, kept := lost[t.Name]
		switch {
		case kept:
			e.ClusterStatus = *b.previous[t.Name]
			b.entries = append(b.entries, e)
		case b.fill(&e):
			b.entries = append(b.entries, e)
		case !e.removed:
			b.unlisted = append(b.unlisted, e)
		}
	}
}

// lost returns the topologies that the status lists although nobody says anything of them now. As long as it is not known
// where the object belongs, what was known of them stays as it is.
func (b *builder) lost() map[string]Topology {
	if b.Reason != federated.ReasonComputePlacementFailed && b.Reason != federated.ReasonClusterRetrievalFailed {
		return nil
	}
	lost := make(map[string]Topology, len(b.previous))
	for name, p := range b.previous {
		lost[name] = Topology{Name: name, Placed: p.Status != federated.StatusWaitingForRemoval, Held: p.Status == federated.StatusHeld}
	}
	for _, t := range b.Topologies {
		delete(lost, t.Name)
	}
	return lost
}

// inSync reports whether the topology holds what the object says.
func (b *builder) inSync(e *entry) bool {
	return !e.removed && e.Status == federated.StatusOK && e.Generation == b.Object.Generation
}

func (b *builder) statuses() []federated.ClusterStatus {
	if len(b.entries) == 0 {
		return nil
	}
	statuses := make([]federated.ClusterStatus, 0, len(b.entries))
	for i := range b.entries {
		statuses = append(statuses, b.entries[i].ClusterStatus)
	}
	return statuses
}
