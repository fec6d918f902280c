package scope

import (
	"errors"
	"fmt"

	"github.com/cellfed/cellfed/internal/federated"
)

// Place returns the names of the candidates on which a federated object is placed, by upstream's rules: its own
// placement and, where the target is namespaced, also that of the namespace's FederatedNamespace. Without one, a
// namespaced object is placed nowhere. What is placed and no candidate is left out.
//
// It fails with federated.ErrPlacement where one of the placements cannot be used. Then it is not known where the object
// belongs, and nothing is to be touched.
func Place(o, fedNamespace *federated.Object, namespaced bool, candidates []Topology) (map[string]bool, error) {
	selects, err := matcher(o)
	if err != nil {
		return nil, err
	}
	placed := make(map[string]bool, len(candidates))
	if namespaced && fedNamespace == nil {
		return placed, nil
	}
	opens := func(string, map[string]string) bool { return true }
	if namespaced {
		if opens, err = matcher(fedNamespace); err != nil {
			return nil, fmt.Errorf("%s %s/%s: %w", fedNamespace.Kind, fedNamespace.Namespace, fedNamespace.Name, err)
		}
	}
	for _, t := range candidates {
		if selects(t.Name, t.Labels) && opens(t.Name, t.Labels) {
			placed[t.Name] = true
		}
	}
	return placed, nil
}

func matcher(o *federated.Object) (func(string, map[string]string) bool, error) {
	if errors.Is(o.Invalid, federated.ErrPlacement) {
		return nil, o.Invalid
	}
	selects, err := o.Placement.Matcher()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", federated.ErrPlacement, err)
	}
	return selects, nil
}
