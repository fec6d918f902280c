package validation

import (
	"encoding/json"
	"reflect"

	"github.com/cellfed/cellfed/internal/federated"
	"github.com/cellfed/cellfed/internal/render"
	"github.com/cellfed/cellfed/internal/scope"
)

// trialBytes is how much of templates is rendered for one object. What is beyond is not tried: an admission must not take
// long, and a propagator says what does not apply all the same.
const trialBytes = 8 << 20

// trial applies overrides to the template, as a propagator does.
type trial struct {
	c *checker
	// before holds the entries that need no trial, because the outcome is what it was.
	before map[string][]federated.Override
	target render.Target
	object *federated.Object
	size   int
	left   int
	// tried are the outcomes, by what was tried.
	tried   map[string]error
	skipped int
}

func (c *checker) newTrial(before *checker) *trial {
	t := &trial{c: c, target: c.target(), object: c.bare(), left: trialBytes, tried: map[string]error{}}
	if before != nil && reflect.DeepEqual(before.o.Template, c.o.Template) {
		t.before = before.o.Overrides
	}
	if template, err := json.Marshal(c.o.Template); err == nil {
		t.size = len(template)
	}
	return t
}

// run tries the overrides of one entry.
func (t *trial) run(a at, cluster string) {
	c := t.c
	overrides := c.o.Overrides[cluster]
	if c.unusable || len(overrides) == 0 || reflect.DeepEqual(overrides, t.before[cluster]) {
		return
	}
	content, err := json.Marshal(overrides)
	if err != nil {
		return
	}
	outcome, again := t.tried[string(content)]
	if !again {
		if t.left -= t.size + len(content); t.left < 0 {
			t.skipped++
			return
		}
		t.object.Overrides = map[string][]federated.Override{cluster: overrides}
		_, outcome = render.Render(t.object, scope.Topology{Name: cluster}, t.target, nil)
		t.tried[string(content)] = outcome
	}
	if outcome != nil {
		c.failed(a, cluster, outcome)
	}
}
