package facts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cellfed/cellfed/internal/facade/mapping"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// Place is a topology that an object can reach, and what is to become of it there.
type Place struct {
	scope.Topology
	scope.Decision
	// Assumed says in a sentence what was taken for granted of the topology, empty for nothing.
	Assumed string
}

// Short returns the name by which people know the topology: the Cell's, or the KubeFedCluster's.
func (p *Place) Short() string {
	if p.View != nil {
		return p.View.Cell
	}
	return p.Name
}

// String names the topology and where it is.
func (p *Place) String() string {
	switch {
	case p.View == nil:
		return "cluster " + p.Name
	case p.Member == "":
		return "cell " + p.View.Cell
	}
	return fmt.Sprintf("cell %s of cluster %s", p.View.Cell, p.Member)
}

// Places returns the topologies that an object can reach, ordered by name, and in sentences what was assumed.
func (k *Known) Places(o *federated.Object, t Type) (places []Place, assumed []string, err error) {
	candidates, unknown := k.candidates(o)
	namespaced, own := t.Target.Namespaced, k.federated[o.Namespace]
	if namespaced && own == nil && !k.missing(FederatedNamespace, o.Namespace) {
		namespaced = false
		assumed = append(assumed, fmt.Sprintf("no FederatedNamespace of namespace %q is known, so that the namespace is taken to be wherever the object is placed", o.Namespace))
	}
	placed, err := scope.Place(o, own, namespaced, candidates)
	if err != nil {
		return nil, nil, err
	}
	for _, candidate := range candidates {
		places = append(places, Place{candidate, scope.Decide(o, placed[candidate.Name], candidate.Name), unknown[candidate.Name]})
	}
	slices.SortFunc(places, func(a, b Place) int { return cmp.Compare(a.Name, b.Name) })
	return places, assumed, nil
}

// candidates returns the topologies that are known, and those that the object names where there may be more, with what is
// assumed of them, by name.
func (k *Known) candidates(o *federated.Object) (candidates []scope.Topology, assumed map[string]string) {
	assumed = map[string]string{}
	candidates = k.Topologies(o.Namespace)
	if owner, known := k.Owner(o.Namespace); known || o.Namespace == "" {
		candidates = scope.Preselect(o.Namespace, owner, candidates)
	}
	for _, name := range o.Placement.Clusters {
		known := func(t scope.Topology) bool { return t.Name == name }
		if slices.ContainsFunc(candidates, known) || slices.ContainsFunc(k.Topologies(o.Namespace), known) {
			continue
		}
		namespace, cell, isCell := topology.SplitCellClusterName(name)
		switch {
		case isCell && namespace == o.Namespace && !k.cellsKnown(namespace):
			candidates = append(candidates, assumedCell(namespace, cell))
			assumed[name] = fmt.Sprintf("no Cell %q is known, so that its objects are taken to be in namespace %q of its cluster", cell, namespace)
		case !isCell && !k.Complete[KubeFedCluster]:
			candidates = append(candidates, scope.Topology{Name: name, Member: name})
		}
	}
	return candidates, assumed
}

// assumedCell is a cell of which its name alone is known.
func assumedCell(namespace, cell string) scope.Topology {
	return scope.Topology{
		Name: topology.CellClusterName(namespace, cell), MemberUnknown: true,
		View: &mapping.View{Namespace: namespace, Cell: cell, TargetNamespace: namespace},
	}
}

// Render returns what a place is to hold.
func (t *Type) Render(o *federated.Object, p *Place) (*render.Rendered, error) {
	r, err := render.Render(o, p.Topology, t.Target, t.Policy)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	return r, nil
}

// Choose returns the places of the names given, which are those of Cells or of KubeFedClusters; without names all that the
// object is placed on.
func Choose(places []Place, names []string) (chosen []Place, missing []string) {
	if len(names) == 0 {
		for i := range places {
			if places[i].Placed {
				chosen = append(chosen, places[i])
			}
		}
		return chosen, nil
	}
	for i := range places {
		if slices.Contains(names, places[i].Short()) || slices.Contains(names, places[i].Name) {
			chosen = append(chosen, places[i])
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(p Place) bool { return p.Short() == name || p.Name == name }) {
			missing = append(missing, name)
		}
	}
	return chosen, missing
}

// Names enumerates places for messages, "none" where there are none.
func Names(places []Place) string {
	names := make([]string, 0, len(places))
	for i := range places {
		names = append(names, places[i].Short())
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
