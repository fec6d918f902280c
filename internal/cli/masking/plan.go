// Package masking changes placement masks: what a change comes to, as a pure function, and how it is written without undoing
// what others do at the same moment.
package masking

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/matrix"
	"github.com/cellfed/cellfed/internal/cli/writing"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/topology"
)

// Action is what is to become of a mask.
type Action int

// The actions.
const (
	// Hold takes topologies out of the mask.
	Hold Action = iota
	// Release puts topologies into the mask.
	Release
	// Set has the mask name the topologies and no others. Without any it holds everything.
	Set
	// Clear removes the mask: everything goes, also what is placed later.
	Clear
)

// Intent is what the user wants.
type Intent struct {
	Action Action
	// Names are topologies, as the object calls them.
	Names []string
}

// State is what is known of an object when a change is planned.
type State struct {
	// Type is the object's.
	Type kube.Type
	// Object is the object.
	Object *federated.Object
	// Cells are those of its namespace; CellsHidden says that they may not be read.
	Cells       []v1alpha1.Cell
	CellsHidden bool
	// Namespace is the FederatedNamespace, without which nothing of the namespace goes anywhere; nil where there is none, or
	// where NamespaceKnown does not say so.
	Namespace      *federated.Object
	NamespaceKnown bool
}

// Plan is what a change comes to. It names topologies as the object does.
type Plan struct {
	// Mask is the mask that is to be; nil for none. An empty one holds everything.
	Mask []string
	// Changes says that it is another one than there is.
	Changes bool
	// Held and Released are the topologies that change sides, sorted.
	Held, Released []string
	// Told says what that means, one sentence a line.
	Told []string
	// Open counts the topologies that a change may touch afterwards, of the Known ones.
	Open, Known int
	// Noun is what the object's topologies are: cell or cluster.
	Noun string
}

// planner holds what New has found out so far.
type planner struct {
	State
	typ topology.Type
	// known are the KubeFedClusters that the object is placed on or still is in, sorted.
	known []string
	// placed are the KubeFedClusters that the placement names or, as far as labels are known here, selects.
	placed []string
	// told says that placed is all that there is, and sure that nothing placed is missing in known.
	told, sure bool
	// rows tell how the object fares, by KubeFedCluster.
	rows map[string]*matrix.Row
}

// New plans a change. It fails for one that is refused, and says why.
func New(s State, intent Intent) (Plan, error) {
	p := &planner{State: s, rows: map[string]*matrix.Row{}}
	p.typ, _ = topology.Lookup(s.Object.Placement.TopologyType)
	m := s.Matrix()
	for i := range m.Rows {
		p.rows[m.Rows[i].KubeFedCluster] = &m.Rows[i]
	}
	if err := p.refuse(intent); err != nil {
		return Plan{}, err
	}
	p.find()
	if err := p.check(intent); err != nil {
		return Plan{}, err
	}
	return p.compare(p.wanted(intent)), nil
}

// Matrix tells how the object fares.
func (s State) Matrix() matrix.Matrix {
	return matrix.Of(matrix.Input{
		Type: s.Type.Name, Kind: s.Type.Target.GroupKind(), Propagator: s.Type.Propagator, Object: s.Object,
		Cells: s.Cells, Incomplete: s.CellsHidden,
	})
}

// refuse says why the mask cannot be changed so, whatever it names.
func (p *planner) refuse(intent Intent) error {
	o, name := p.Object, p.Type.Name+"/"+p.Object.Name
	switch {
	case p.Type.Federated.Version != federated.V2Beta1:
		return fmt.Errorf("%s: the host cluster does not serve %s in %s, and would drop a mask: kubectl cells doctor says why", name, p.Type.GroupResource(), federated.V2Beta1)
	case intent.Action == Clear && o.Deleting && o.Mask != nil:
		return fmt.Errorf("%s is being deleted, and its mask is what keeps it where it is held: to delete it there as well, release by name: "+
			"kubectl cells release %s CELL", name, name)
	case intent.Action == Clear:
		return nil
	case p.Type.Propagator == v1alpha1.PropagatorKubeFed:
		return fmt.Errorf("%s: KubeFed propagates %s and knows no mask, so that nothing can be held: hand the type over first with: "+
			"kubectl cells handover %s --to Cellfed", name, p.Type.Name, p.Type.Name)
	case errors.Is(o.Invalid, federated.ErrPlacement):
		return fmt.Errorf("%s: nobody can tell where it is placed: correct it first: %w", name, o.Invalid)
	case errors.Is(o.Invalid, federated.ErrMask) && intent.Action != Set:
		return fmt.Errorf("%s: its mask cannot be read: set another with kubectl cells mask %s: %w", name, name, o.Invalid)
	}
	return nil
}

// find finds out what the object is placed on, and where it still is.
func (p *planner) find() {
	o := p.Object
	clusters := map[string]bool{}
	p.placed = matrix.Placed(matrix.Input{Object: o, Cells: p.Cells})
	for _, c := range p.placed {
		clusters[c] = true
	}
	for i := range o.Status.Clusters {
		clusters[o.Status.Clusters[i].Name] = true
	}
	// What a selector selects is known where all cells are, or by a status that speaks of the object as it is.
	p.told = o.Placement.Clusters != nil || o.Placement.Selector == nil || p.selectsOwn() && !p.CellsHidden
	p.sure = p.told || o.Status.ObservedGeneration == o.Generation
	for c := range clusters {
		p.known = append(p.known, c)
	}
	slices.Sort(p.known)
}

// selectsOwn reports whether the selector can select cells of the object's namespace alone.
func (p *planner) selectsOwn() bool {
	s := p.Object.Placement.Selector
	return s.MatchLabels[v1alpha1.NamespaceLabel] == p.Object.Namespace && s.MatchLabels[v1alpha1.TopologyTypeLabel] == topology.Cell
}

// check refuses names that mean nothing.
func (p *planner) check(intent Intent) error {
	if intent.Action == Clear || intent.Action == Set && len(intent.Names) == 0 {
		return nil
	}
	object := p.Type.Name + "/" + p.Object.Name
	if !p.sure {
		return fmt.Errorf("%s: what its selector selects is not known until its status speaks of generation %d: try again in a moment", object, p.Object.Generation)
	}
	for _, name := range intent.Names {
		cluster := p.typ.ToCluster(p.Object.Namespace, name)
		if slices.Contains(p.known, cluster) {
			continue
		}
		exists := slices.ContainsFunc(p.Cells, func(c v1alpha1.Cell) bool {
			return topology.CellClusterName(c.Namespace, c.Name) == cluster
		})
		if p.typ.Namespaced && !exists && !p.CellsHidden {
			return exit.Usagef("there is no cell %q in the namespace %q: %s", name, p.Object.Namespace, p.placement())
		}
		return exit.Usagef("%s is not placed on the %s %q, so that there is nothing to hold or release: place it there first; %s", object, p.noun(), name, p.placement())
	}
	return nil
}

// placement says what the object is placed on.
func (p *planner) placement() string {
	if len(p.known) == 0 {
		return p.Type.Name + "/" + p.Object.Name + " is placed nowhere"
	}
	return fmt.Sprintf("%s/%s is placed on %s", p.Type.Name, p.Object.Name, writing.Some(p.names(p.known)))
}

func (p *planner) noun() string {
	if p.typ.Namespaced {
		return "cell"
	}
	return "cluster"
}

// wanted returns the mask that is to be, in KubeFedClusters.
func (p *planner) wanted(intent Intent) *federated.Mask {
	named := make([]string, 0, len(intent.Names))
	for _, name := range intent.Names {
		named = append(named, p.typ.ToCluster(p.Object.Namespace, name))
	}
	slices.Sort(named)
	named = slices.Compact(named)
	before := p.Object.Mask
	switch intent.Action {
	case Clear:
		return nil
	case Set:
		return &federated.Mask{Clusters: named}
	case Release:
		if before == nil {
			return nil
		}
		after := slices.Clone(before.Clusters)
		for _, cluster := range named {
			if !before.Allows(cluster) {
				after = append(after, cluster)
			}
		}
		return &federated.Mask{Clusters: after}
	default:
		after := p.known
		if before != nil {
			after = before.Clusters
		}
		after = slices.DeleteFunc(slices.Clone(after), func(cluster string) bool { return slices.Contains(named, cluster) })
		// Nothing of it is held already.
		if before == nil && len(after) == len(p.known) {
			return nil
		}
		return &federated.Mask{Clusters: after}
	}
}

// compare says what the mask makes different.
func (p *planner) compare(after *federated.Mask) Plan {
	before := p.Object.Mask
	plan := Plan{Known: len(p.known), Noun: p.noun()}
	plan.Changes = (before == nil) != (after == nil) || errors.Is(p.Object.Invalid, federated.ErrMask)
	if after != nil {
		plan.Mask = p.names(after.Clusters)
		if before != nil {
			plan.Changes = plan.Changes || !sameSet(before.Clusters, after.Clusters)
		}
	}
	for _, cluster := range p.known {
		was, is := before.Allows(cluster), after.Allows(cluster)
		if is {
			plan.Open++
		}
		switch {
		case was && !is:
			plan.Held = append(plan.Held, p.name(cluster))
			plan.Told = append(plan.Told, p.held(cluster))
		case is && !was:
			plan.Released = append(plan.Released, p.name(cluster))
			plan.Told = append(plan.Told, p.released(cluster))
		}
	}
	if plan.Changes {
		plan.Told = append(shorten(plan.Told), p.rest(after)...)
	}
	return plan
}

func (p *planner) name(cluster string) string { return p.typ.FromCluster(p.Object.Namespace, cluster) }

func (p *planner) names(clusters []string) []string {
	names := make([]string, 0, len(clusters))
	for _, c := range clusters {
		names = append(names, p.name(c))
	}
	return names
}

func sameSet(a, b []string) bool {
	sorted := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(sorted(a), sorted(b))
}

// Sentence says what was done.
func (p Plan) Sentence(object string) string {
	count := fmt.Sprintf("%d of %d %s", p.Open, p.Known, p.Noun+plural(p.Known))
	switch {
	case !p.Changes && p.Mask == nil:
		return object + " unchanged: it has no mask, and nothing is held"
	case !p.Changes:
		return fmt.Sprintf("%s unchanged: released to %s", object, count)
	case p.Mask == nil:
		return fmt.Sprintf("%s released to everything that is placed: it has no mask any more", object)
	case len(p.Released) > 0 && len(p.Held) > 0:
		return fmt.Sprintf("%s released to %s and held in %s (%s)", object, writing.Some(p.Released), writing.Some(p.Held), count)
	case len(p.Released) > 0:
		return fmt.Sprintf("%s released to %s (%s)", object, writing.Some(p.Released), count)
	case len(p.Held) > 0:
		return fmt.Sprintf("%s held in %s (released to %s)", object, writing.Some(p.Held), count)
	default:
		return fmt.Sprintf("%s: its mask is set (released to %s)", object, count)
	}
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// Same reports whether two plans change the same topologies in the same direction.
func (p Plan) Same(other Plan) bool {
	return slices.Equal(p.Held, other.Held) && slices.Equal(p.Released, other.Released)
}

// describe says what a mask is.
func describe(names []string, masked bool) string {
	switch {
	case !masked:
		return "none"
	case len(names) == 0:
		return "empty"
	default:
		return strings.Join(slices.Sorted(slices.Values(names)), ", ")
	}
}
