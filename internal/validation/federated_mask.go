package validation

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/api/v1alpha1"
	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/scope"
	"github.com/cellfed/cellfed/internal/topology"
)

// mask has a mask name what can be meant by it. before is what is stored, nil for nothing.
func (c *checker) mask(before *checker) {
	a := in("spec", "placementMask")
	value, ok := c.spec["placementMask"]
	if !ok {
		return
	}
	if err := because(c.o.Invalid, federated.ErrMask); err != nil {
		c.invalid(a, value, "%s", err)
		return
	}
	a = a.child(c.list)
	sound := len(c.violations)
	c.listed(a, c.o.Mask.Clusters)
	selects, err := c.o.Placement.Matcher()
	if err != nil || because(c.o.Invalid, federated.ErrPlacement) != nil {
		return
	}
	// What still holds the object is released by the mask, also when it is not placed any more.
	holding := c.holding(before)
	labels := map[string]map[string]string{}
	for _, t := range c.facts.Topologies {
		labels[t.Name] = t.Labels
	}
	misnamed := len(c.violations) > sound
	for i, cluster := range c.o.Mask.Clusters {
		item := a.item(i, cluster).child("name")
		switch {
		case selects(cluster, labels[cluster]), holding[cluster]:
		case c.o.Placement.Clusters != nil:
			c.invalid(item, c.name(cluster), "is not in spec.placement.%s, so there is nothing to release: correct the name, place it there, or take it out of the mask", c.list)
		case c.o.Placement.Selector == nil && misnamed: // Those errors come first.
		case c.o.Placement.Selector == nil:
			c.invalid(item, c.name(cluster), "nothing is placed, so there is nothing to release: place it in spec.placement.%s, or take it out of the mask", c.list)
		case c.facts.TopologiesKnown:
			c.warn(item, "%q is not selected by spec.placement.%s now, so there is nothing to release", c.name(cluster), c.selector)
		}
	}
	if c.propagates(v1alpha1.PropagatorKubeFed) {
		c.obeyed(in("spec", "placementMask"), holding)
	}
}

// holding returns what the object is in, as far as can be told, by the status and by where it was placed.
func (c *checker) holding(before *checker) map[string]bool {
	holding := map[string]bool{}
	for _, each := range []*checker{c, before} {
		if each == nil {
			continue
		}
		for _, status := range each.o.Status.Clusters {
			holding[status.Name] = true
		}
	}
	if before != nil {
		for _, cluster := range before.o.Placement.Clusters {
			holding[cluster] = true
		}
	}
	return holding
}

// obeyed has a mask hold nothing back where KubeFed propagates: it knows no masks.
func (c *checker) obeyed(a at, holding map[string]bool) {
	wayOut := c.orCellfed() + ", which obeys masks"
	p := c.o.Placement
	if p.Clusters == nil && p.Selector != nil {
		why := fmt.Sprintf("%s knows no mask and writes to all that spec.placement.%s selects: remove the mask, or name in spec.placement.%s what the mask names, %s",
			c.kubeFed(), c.selector, c.list, wayOut)
		c.add(a, field.Invalid(a.path, c.spec["placementMask"], why), p.Selector)
		return
	}
	held := maps.Clone(holding)
	for _, cluster := range p.Clusters {
		held[cluster] = true
	}
	for _, cluster := range c.o.Mask.Clusters {
		delete(held, cluster)
	}
	if held := slices.Sorted(maps.Keys(held)); len(held) > 0 {
		why := fmt.Sprintf("%s knows no mask and changes %s too: remove the mask, or name them in it, %s", c.kubeFed(), some(c.names(held)), wayOut)
		c.add(a, field.Invalid(a.path, c.spec["placementMask"], why), held)
	}
}

// retyped forbids to change what names mean while the object is somewhere: what is stored, the status above all, would
// speak of something else from then on. before is what is stored.
func (c *checker) retyped(before *checker) {
	if c.meaning() == before.meaning() || c.typ.Name == "" {
		return
	}
	p := before.o.Placement
	if len(p.Clusters) == 0 && (p.Clusters != nil || p.Selector == nil) && len(before.o.Status.Clusters) == 0 &&
		because(before.o.Invalid, federated.ErrPlacement) == nil {
		return
	}
	// In v1beta1 all names are those of KubeFedClusters, and the type only tells how they read in v2beta1.
	now := c.o.Placement
	if !c.v2 && sameNames(p.Clusters, now.Clusters) && reflect.DeepEqual(p.Selector, now.Selector) && reflect.DeepEqual(before.o.Mask, c.o.Mask) {
		return
	}
	dropped := ""
	if _, ok := c.spec["topologyType"]; !ok {
		dropped = ", which it means when it is left out"
	}
	c.invalid(in("spec", "topologyType"), c.typ.Name, "cannot become %q%s, while it is %q and the object is placed: the names would mean something else, and what holds the object would be left behind. "+
		"Keep it %q, or create another object, or empty spec.placement.%s first and wait until status.%s is empty", c.typ.Name, dropped, before.meaning(), before.meaning(), c.list, c.list)
}

// meaning returns the topology type that names are read by.
func (c *checker) meaning() string {
	if c.typ.Name == "" {
		return topology.Default
	}
	return c.typ.Name
}

func sameNames(a, b []string) bool {
	return (a == nil) == (b == nil) && slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// FederatedDeletion returns what to tell somebody who deletes a federated object.
func FederatedDeletion(object *unstructured.Unstructured, facts Facts) []string {
	c, err := readFederated(object, facts)
	if err != nil {
		return nil
	}
	deleted := *c.o
	deleted.Deleting = true
	if _, err := scope.DeleteOptions(&deleted); err != nil {
		c.warnings = append(c.warnings, err.Error())
	}
	if c.propagates(v1alpha1.PropagatorKubeFed) {
		if held := c.held(); len(held) > 0 {
			c.warn(in("spec", "placementMask"), "%s knows no mask: the deletion reaches %s too", c.kubeFed(), some(c.names(held)))
		}
		return c.warnings
	}
	if because(c.o.Invalid, federated.ErrMask) != nil {
		c.warn(in("spec", "placementMask"), "cannot be used, so it holds everything, and the deletion waits until it is corrected or removed")
		return c.warnings
	}
	if held := c.held(); len(held) > 0 {
		c.warn(in("spec", "placementMask"), "holds %s: the object stays there, and its deletion waits, until the mask names %s or is removed", some(c.names(held)), itOrThem(held))
	}
	return c.warnings
}

// held returns what the mask holds of what has the object, or, before there is a status, of what is placed.
func (c *checker) held() []string {
	if c.o.Mask == nil {
		return nil
	}
	held := map[string]bool{}
	selects, err := c.o.Placement.Matcher()
	switch {
	case c.o.Status.Clusters != nil:
		for _, status := range c.o.Status.Clusters {
			held[status.Name] = true
		}
	case c.o.Placement.Clusters != nil:
		for _, cluster := range c.o.Placement.Clusters {
			held[cluster] = true
		}
	case err == nil:
		for _, t := range c.facts.Topologies {
			held[t.Name] = selects(t.Name, t.Labels)
		}
	}
	for _, cluster := range c.o.Mask.Clusters {
		delete(held, cluster)
	}
	maps.DeleteFunc(held, func(_ string, selected bool) bool { return !selected })
	return slices.Collect(maps.Keys(held))
}

func itOrThem(names []string) string {
	if len(names) == 1 {
		return "it"
	}
	return "them"
}
