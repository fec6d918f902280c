package validation

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/cellfed/cellfed/internal/federated"
)

// overrides looks at each override, and then whether together they apply to the template. before is what is stored, nil
// for nothing.
func (c *checker) overrides(before *checker) {
	a := in("spec", "overrides")
	list, _ := c.spec["overrides"].([]any)
	seen := make(map[string]bool, len(list))
	placed := sets.New(c.o.Placement.Clusters...)
	trial := c.newTrial(before)
	wrong := len(c.violations)
	for i, value := range list {
		item, ok := value.(map[string]any)
		if !ok {
			c.invalid(a.item(i, full(value)), value, "must be an object with %s and %s", c.overrideName, c.overrideList)
			continue
		}
		name, ok := item[c.overrideName].(string)
		cluster := c.cluster(name)
		entry := a.item(i, cluster)
		if !ok {
			c.required(entry.child(c.overrideName), "name the %s that the overrides are for", c.thing)
			continue
		}
		if seen[cluster] {
			c.duplicate(entry.child(c.overrideName), name, "put all of its overrides into one entry")
			continue
		}
		seen[cluster] = true
		sound := len(c.violations)
		c.overridesFields(entry, item)
		c.named(entry.child(c.overrideName), cluster)
		operations := entry.child(c.overrideList)
		c.operations(operations, item[c.overrideList])
		if len(c.violations) == sound {
			if !placed.Has(cluster) {
				c.unplaced(entry.child(c.overrideName), cluster)
			}
			trial.run(operations, cluster)
		}
	}
	if err := because(c.o.Invalid, federated.ErrOverrides); err != nil && len(c.violations) == wrong {
		c.invalid(a, c.spec["overrides"], "%s", err)
	}
	if trial.skipped > 0 {
		c.warn(a, "%d entries were not tried on the template: the object is too large for that", trial.skipped)
	}
}

// unplaced tells of overrides for what there is not: a name that was mistyped leaves another without its overrides. Those
// for what is there may wait until the object is placed in it, and what is placed is told of where it is.
func (c *checker) unplaced(a at, cluster string) {
	if !c.facts.TopologiesKnown {
		return
	}
	if _, there := c.byName()[cluster]; !there {
		c.warn(a, "there is no %s %q that the object could be placed in, so its overrides change nothing: correct the name, or leave them for when it comes", c.thing, c.name(cluster))
	}
}

// overridesFields looks for fields under another name than theirs.
func (c *checker) overridesFields(a at, item map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(item)) {
		if key == c.overrideName || key == c.overrideList {
			continue
		}
		for _, known := range [][2]string{
			{v1Words.overrideName, c.overrideName}, {v2Words.overrideName, c.overrideName},
			{v1Words.overrideList, c.overrideList}, {v2Words.overrideList, c.overrideList},
		} {
			if strings.EqualFold(key, known[0]) {
				c.invalid(a.child(key), item[key], "is not known in %s: it is called %s", c.version(), known[1])
				break
			}
		}
	}
}

func (c *checker) operations(a at, value any) {
	if value == nil {
		return
	}
	list, ok := value.([]any)
	if !ok {
		c.invalid(a, value, "must be a list of operations, each with op, path and value")
		return
	}
	seen := make(map[string]bool, len(list))
	for i, value := range list {
		item, ok := value.(map[string]any)
		path, hasPath := item["path"].(string)
		each := a.item(i, path)
		switch {
		case !ok:
			c.invalid(each, value, "must be an object with op, path and value")
		case !hasPath:
			c.required(each.child("path"), "give a JSON pointer into the template, such as /spec/replicas")
		case seen[path]:
			c.duplicate(each.child("path"), path, "keep one of the overrides of this path")
		default:
			c.operation(each, item, path, seen)
		}
		seen[path] = true
	}
}

// operation looks at one operation. seen are the paths of those before it.
func (c *checker) operation(a at, item map[string]any, path string, seen map[string]bool) {
	for _, key := range slices.Sorted(maps.Keys(item)) {
		for _, known := range []string{"op", "path", "value"} {
			if key != known && strings.EqualFold(key, known) {
				c.invalid(a.child(key), item[key], "is not known here: it is called %s", known)
			}
		}
	}
	op, isString := item["op"].(string)
	if _, ok := item["op"]; ok && !isString {
		c.invalid(a.child("op"), item["op"], "must be add, remove or replace, or be left out, which means replace")
		return
	}
	value, hasValue := item["value"]
	switch op {
	case "", "add", "replace":
		if !hasValue {
			c.required(a.child("value"), "say what %q is to be, or use op remove", path)
		}
	case "remove":
		if hasValue {
			c.warn(a.child("value"), "is not used: remove takes none")
		}
	default:
		c.unsupported(a.child("op"), op, []string{"add", "remove", "replace"})
	}
	tokens, problem := pointer(path)
	if problem != "" {
		c.refused(a, path, value, "%s", problem)
		return
	}
	c.touches(a, tokens, path, op, value, seen)
}

// pointer takes a JSON pointer apart, or says why it is none.
func pointer(path string) (tokens []string, problem string) {
	if path == "" {
		return nil, "stands for the whole object, its name and namespace too: name the fields that differ"
	}
	if path[0] != '/' {
		return nil, "is no JSON pointer: it must begin with '/', such as /spec/replicas"
	}
	for token := range strings.SplitSeq(path[1:], "/") {
		rest := strings.NewReplacer("~0", "", "~1", "").Replace(token)
		if strings.Contains(rest, "~") {
			return nil, "is no JSON pointer: write '~0' for '~' and '~1' for '/' in a name"
		}
		tokens = append(tokens, strings.NewReplacer("~0", "~", "~1", "/").Replace(token))
	}
	return tokens, ""
}

// failed adds that overrides do not apply. What was wrong is part of what it is found again by: another failure is another
// one.
func (c *checker) failed(a at, cluster string, outcome error) {
	err := because(outcome, federated.ErrOverrides)
	if err == nil {
		err = outcome
	}
	c.add(a, field.Invalid(a.path, c.name(cluster), "cannot be applied to the template: "+err.Error()), err.Error())
}
