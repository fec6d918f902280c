package validation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
)

// reservedPrefix is that of the labels and annotations that cellfed alone writes.
const reservedPrefix = "cellfed.io/"

// selectorContent looks into the selector under the version's own name.
func (c *checker) selectorContent(a at, value any) {
	if !c.selectorFields(a, value) || !c.cells() {
		return
	}
	people, restricted := c.peoplesSelector(value)
	if !restricted {
		if c.o.Placement.Clusters == nil {
			r, _ := c.typ.Restriction(c.o.Namespace)
			c.invalid(a, value, "selects among all clusters, though the object names cells: add matchLabels %s: %s and %s: %s, or write the object in %s, or leave topologyType out",
				r[0].Key, r[0].Value, r[1].Key, r[1].Value, federated.V2Beta1)
		}
		return
	}
	c.reserved(a, people)
}

// selectorFields reports whether a value is a selector. What only looks like one would be carried unread from one version
// to the other.
func (c *checker) selectorFields(a at, value any) bool {
	selector, ok := value.(map[string]any)
	if !ok {
		c.invalid(a, value, "must be an object; an empty one selects everything that it could")
		return false
	}
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		_, isObject := selector[key].(map[string]any)
		_, isList := selector[key].([]any)
		switch {
		case strings.EqualFold(key, "matchLabels") && (key != "matchLabels" || !isObject):
			c.invalid(a.child(key), selector[key], "cannot be read: matchLabels is an object of labels and their values, or is left out")
			ok = false
		case strings.EqualFold(key, "matchExpressions") && (key != "matchExpressions" || !isList):
			c.invalid(a.child(key), selector[key], "cannot be read: matchExpressions is a list, or is left out")
			ok = false
		}
	}
	return ok
}

// peoplesSelector returns the selector of cells as v2beta1 has it, without what restricts it to the object's namespace. It
// reports false for one of v1beta1 that is not restricted.
func (c *checker) peoplesSelector(value any) (selector map[string]any, restricted bool) {
	if c.v2 {
		selector, _ = value.(map[string]any)
		return selector, true
	}
	data, err := json.Marshal(map[string]any{
		"apiVersion": federated.APIVersionV1Beta1,
		"metadata":   map[string]any{"namespace": c.o.Namespace},
		"spec":       map[string]any{"topologyType": c.typ.Name, "placement": map[string]any{v1Words.selector: value}},
	})
	if err != nil {
		return nil, false
	}
	if data, err = federated.Convert(data, federated.V2Beta1); err != nil {
		return nil, false
	}
	var converted struct {
		Spec struct {
			Placement map[string]map[string]any `json:"placement"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(data, &converted); err != nil {
		return nil, false
	}
	selector, restricted = converted.Spec.Placement[v2Words.selector]
	return selector, restricted
}

// reserved refuses the labels by which cellfed marks whose a cell is: the object says that already.
func (c *checker) reserved(a at, selector map[string]any) {
	const why = "is a label that cellfed writes, and an object of cells selects those of its own namespace alone: take it out, or give the Cells labels of your own to select them by"
	labels, _ := selector["matchLabels"].(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if strings.HasPrefix(key, reservedPrefix) {
			c.invalid(a.child("matchLabels").key(key), key, why)
		}
	}
	expressions, _ := selector["matchExpressions"].([]any)
	for i, value := range expressions {
		expression, _ := value.(map[string]any)
		key, _ := expression["key"].(string)
		if strings.HasPrefix(key, reservedPrefix) {
			c.invalid(a.child("matchExpressions").item(i, key).child("key"), key, why)
		}
	}
}

// reachSelected has what a selector of clusters selects be what the namespace may reach, where KubeFed propagates: it knows
// no tenants. Where cellfed does, nothing else can be reached, and cells are always those of the namespace.
func (c *checker) reachSelected(a at) {
	owner, known := c.owner()
	if c.typ.Namespaced || c.o.Placement.Selector == nil || !known {
		return
	}
	if hasOwner(owner) && c.propagates(v1alpha1.PropagatorKubeFed) && !c.pinned(owner) {
		c.invalid(a, c.o.Placement.Selector, "%s knows no tenants, and would place the object on other tenants' clusters as they join: add %s, or name clusters, %s",
			c.kubeFed(), pins(owner), c.orCellfed())
		return
	}
	selects, err := c.o.Placement.Matcher()
	if err != nil || !c.facts.TopologiesKnown {
		return
	}
	var foreign, cells []string
	for _, t := range c.facts.Topologies {
		switch {
		case t.View != nil && t.Labels == nil: // It has no KubeFedCluster yet, and nobody knows its labels.
		case !selects(t.Name, t.Labels):
		case t.View != nil, t.Labels[v1alpha1.GeneratedLabel] != "", t.Labels[v1alpha1.TopologyTypeLabel] != "":
			cells = append(cells, t.Name)
		case !scope.Eligible(c.o.Namespace, owner, t):
			foreign = append(foreign, t.Name)
		}
	}
	if len(foreign) > 0 && c.propagates(v1alpha1.PropagatorKubeFed) {
		c.invalid(a, c.o.Placement.Selector, "selects %s, which %s: %s, by name or by their labels, such as matchExpressions {key: %s, operator: DoesNotExist} for those of no tenant",
			some(foreign), c.foreign("are", owner), ownCluster, v1alpha1.TenantLabel)
	}
	if len(cells) > 0 {
		c.warn(a, "selects the cells' KubeFedClusters too (%s): to leave cells out, add matchExpressions {key: %s, operator: DoesNotExist}", some(cells), v1alpha1.TopologyTypeLabel)
	}
}

// pinned reports whether a selector selects none but what carries the namespace's tenant and workspace group.
func (c *checker) pinned(owner map[string]string) bool {
	for _, key := range []string{v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel} {
		if !pinsTo(c.o.Placement.Selector, key, owner[key]) {
			return false
		}
	}
	return true
}

func pinsTo(selector *metav1.LabelSelector, key, value string) bool {
	if have, ok := selector.MatchLabels[key]; ok && have == value {
		return true
	}
	return slices.ContainsFunc(selector.MatchExpressions, func(e metav1.LabelSelectorRequirement) bool {
		return e.Key == key && (value == "" && e.Operator == metav1.LabelSelectorOpDoesNotExist ||
			e.Operator == metav1.LabelSelectorOpIn && len(e.Values) == 1 && e.Values[0] == value)
	})
}

// pins says what of a selector pins it to an owner.
func pins(owner map[string]string) string {
	var labels, expressions []string
	for _, key := range []string{v1alpha1.TenantLabel, v1alpha1.WorkspaceGroupLabel} {
		if owner[key] == "" {
			expressions = append(expressions, fmt.Sprintf("{key: %s, operator: DoesNotExist}", key))
		} else {
			labels = append(labels, fmt.Sprintf("%s: %s", key, owner[key]))
		}
	}
	text := "matchLabels {" + strings.Join(labels, ", ") + "}"
	if len(expressions) > 0 {
		text += " and matchExpressions [" + strings.Join(expressions, ", ") + "]"
	}
	return text
}

// mostNamed is how many names a message lists.
const mostNamed = 10

// some lists names, the first of them where they are many.
func some(names []string) string {
	sorted := slices.Sorted(slices.Values(names))
	if len(sorted) > mostNamed {
		return fmt.Sprintf("%s and %d more", strings.Join(sorted[:mostNamed], ", "), len(sorted)-mostNamed)
	}
	return strings.Join(sorted, ", ")
}
