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
)

// delaysHandBack reports whether a write may bring what keeps a type that is being handed back from KubeFed. before is what is stored.
// What stays as it is does not, nor does what is being deleted.
func (c *checker) delaysHandBack(before *checker) bool {
	t := c.facts.Type
	return t != nil && t.HandingBack && t.Propagator == v1alpha1.PropagatorCellfed && !c.o.Deleting &&
		(before == nil || !reflect.DeepEqual(c.spec, before.spec))
}

// delays returns what a write brings that HandBack would find, and that was not there before. known is what is wrong whoever has the
// type, which is told as such. old is nil for an object that is created.
func delays(object, old *unstructured.Unstructured, facts Facts, known []violation) []violation {
	now, err := readFederated(unignored(object, facts.Type), facts.forKubeFed())
	if err != nil {
		return nil
	}
	var before *checker
	if old != nil {
		if before, err = readFederated(unignored(old, facts.Type), facts.forKubeFed()); err == nil {
			before.handingBack, before.admitting = true, true
		}
	}
	now.handingBack, now.admitting = true, true
	now.fitness(before)
	now.handingBackMask(before)
	if before != nil && len(now.violations) > 0 {
		before.fitness(nil)
		now.forgive(before.violations)
	}
	now.forgive(known)
	for i := range now.violations {
		now.violations[i].err.Detail = "the type is being handed back to KubeFed: " + now.violations[i].err.Detail
	}
	return now.violations
}

// fitness looks for all but the mask that KubeFed must not be given.
func (c *checker) fitness(before *checker) {
	c.federatedName()
	c.topologyType()
	c.placement()
	c.template()
	c.overrides(before)
}

// handingBackMask has a write hold nothing that was not held before. Masks are widened step by step: what they still hold afterwards
// was held. A mask that cannot be read is wrong whoever has the type.
func (c *checker) handingBackMask(before *checker) {
	if c.o.Mask == nil || because(c.o.Invalid, federated.ErrMask) != nil || because(c.o.Invalid, federated.ErrPlacement) != nil {
		return
	}
	a := in("spec", "placementMask")
	if before == nil || c.selectsMasked() && !before.selectsMasked() {
		c.obeyed(a, c.holding(before))
		return
	}
	if before.holdsAll() {
		return
	}
	held := before.places()
	maps.Copy(held, c.places())
	for _, cluster := range c.o.Mask.Clusters {
		delete(held, cluster)
	}
	if before.o.Mask != nil {
		for cluster := range before.places() {
			if !before.o.Mask.Allows(cluster) {
				delete(held, cluster)
			}
		}
	}
	if held := slices.Sorted(maps.Keys(held)); len(held) > 0 {
		c.add(a, field.Invalid(a.path, c.spec["placementMask"], fmt.Sprintf("%s knows no mask, and this one newly holds %s: remove the mask, or name in it what it would hold, %s",
			c.kubeFed(), some(c.names(held)), c.orCellfed())), held)
	}
}

// selectsMasked reports whether a mask stands beside a selector: what is selected later is held.
func (c *checker) selectsMasked() bool {
	return c.o.Mask != nil && c.o.Placement.Clusters == nil && c.o.Placement.Selector != nil
}

// holdsAll reports whether nobody can tell that a mask does not hold something.
func (c *checker) holdsAll() bool {
	return because(c.o.Invalid, federated.ErrMask) != nil || c.o.Mask != nil && because(c.o.Invalid, federated.ErrPlacement) != nil
}

// places returns where the object is and where it is placed, as far as that is known.
func (c *checker) places() map[string]bool {
	places := c.holding(nil)
	if c.o.Placement.Clusters != nil {
		for _, cluster := range c.o.Placement.Clusters {
			places[cluster] = true
		}
		return places
	}
	selects, err := c.o.Placement.Matcher()
	if err != nil || because(c.o.Invalid, federated.ErrPlacement) != nil {
		return places
	}
	owner, _ := c.owner()
	for _, t := range c.facts.Topologies {
		// A selector that is not pinned selects clusters that cellfed never reached.
		if selects(t.Name, t.Labels) && scope.Eligible(c.o.Namespace, owner, t) {
			places[t.Name] = true
		}
	}
	return places
}

// forKubeFed returns the facts as they are once KubeFed has the type.
func (f Facts) forKubeFed() Facts {
	if f.Type != nil {
		t := *f.Type
		t.Propagator = v1alpha1.PropagatorKubeFed
		f.Type = &t
	}
	return f
}
