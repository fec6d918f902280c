package diff

import (
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// projection takes from a member's object what is desired of it and what cellfed holds of it.
type projection struct {
	// known says that it is known what cellfed holds, and thereby which lists have more than one owner.
	known bool
	// extras shows all items of lists that may have one owner.
	extras bool
}

func (p projection) object(live, desired map[string]any, held *fieldpath.Set) map[string]any {
	out := map[string]any{}
	for key, have := range live {
		want, wanted := desired[key]
		below, whole := childOf(held, fieldpath.FieldNameElement(key))
		switch {
		case wanted:
			out[key] = p.value(have, want, below)
		case below != nil:
			if value := p.value(have, nil, below); !isEmpty(value) {
				out[key] = value
			}
		case whole:
			out[key] = have
		}
	}
	return out
}

func (p projection) value(have, want any, held *fieldpath.Set) any {
	switch h := have.(type) {
	case map[string]any:
		w, _ := want.(map[string]any)
		if len(w) == 0 && held == nil {
			return have
		}
		return p.object(h, w, held)
	case []any:
		w, _ := want.([]any)
		return p.list(h, w, held)
	default:
		return have
	}
}

// list leaves out the items that others have put there, where items have owners of their own.
func (p projection) list(have, want []any, held *fieldpath.Set) []any {
	keys := p.keys(have, want, held)
	granular := len(keys) > 0 && !p.extras && (held != nil || !p.known)
	out := make([]any, 0, len(have))
	for i, item := range have {
		content, isObject := item.(map[string]any)
		switch at := counterpart(want, item, i, keys, len(have)); {
		case at >= 0 && isObject:
			other, _ := want[at].(map[string]any)
			out = append(out, p.value(content, other, heldItem(held, content)))
		case at >= 0, !granular && !holdsValues(held), heldItem(held, content) != nil, holds(held, item):
			out = append(out, item)
		}
	}
	return out
}

// arranged puts the items of desired lists that have owners of their own in the order in which the member has them.
func (p projection) arranged(want, have any, held *fieldpath.Set) any {
	switch w := want.(type) {
	case map[string]any:
		h, _ := have.(map[string]any)
		for key := range w {
			below, _ := childOf(held, fieldpath.FieldNameElement(key))
			w[key] = p.arranged(w[key], h[key], below)
		}
	case []any:
		h, _ := have.([]any)
		keys := p.keys(h, w, held)
		if held == nil || len(keys) == 0 {
			return want
		}
		rank := func(item any) int {
			if at := counterpart(h, item, -1, keys, 0); at >= 0 {
				return at
			}
			return len(h)
		}
		for i, item := range w {
			if content, ok := item.(map[string]any); ok && rank(item) < len(h) {
				w[i] = p.arranged(item, h[rank(item)], heldItem(held, content))
			}
		}
		slices.SortStableFunc(w, func(a, b any) int { return rank(a) - rank(b) })
	}
	return want
}

// guesses are the fields by which items of lists are told apart, where nobody says by which.
var guesses = [][]string{{"name"}, {"containerPort", "protocol"}, {"containerPort"}, {"port", "protocol"}, {"port"}, {"mountPath"}, {"devicePath"}, {"ip"}, {"uid"}}

// keys returns the fields that tell the items of both lists apart, nil where it is their position.
func (p projection) keys(have, want []any, held *fieldpath.Set) []string {
	if held != nil {
		for _, e := range elements(held) {
			if e.Key != nil {
				var names []string
				for _, f := range *e.Key {
					names = append(names, f.Name)
				}
				return names
			}
		}
	}
	for _, keys := range guesses {
		if tells(have, keys) && tells(want, keys) {
			return keys
		}
	}
	return nil
}

func tells(list []any, keys []string) bool {
	seen := map[string]bool{}
	for _, item := range list {
		content, ok := item.(map[string]any)
		if !ok {
			return false
		}
		id := ""
		for _, key := range keys {
			value, ok := content[key]
			if !ok && key != "protocol" {
				return false
			}
			id += text(value) + "\x00"
		}
		if seen[id] {
			return false
		}
		seen[id] = true
	}
	return true
}

// counterpart returns the index of the item in another list, -1 for none. Without keys it is that of the same value or, in
// lists of one length, the position.
func counterpart(list []any, item any, position int, keys []string, length int) int {
	content, isObject := item.(map[string]any)
	if isObject && len(keys) > 0 {
		return slices.IndexFunc(list, func(other any) bool {
			o, ok := other.(map[string]any)
			return ok && !slices.ContainsFunc(keys, func(key string) bool {
				a, b := content[key], o[key]
				return a != nil && b != nil && !sameText(a, b)
			})
		})
	}
	if isObject && len(list) == length && position < len(list) {
		return position
	}
	return slices.IndexFunc(list, func(other any) bool { return sameText(item, other) })
}

// childOf returns what is held below an element, nil for nothing, and whether the element itself is.
func childOf(held *fieldpath.Set, e fieldpath.PathElement) (below *fieldpath.Set, whole bool) {
	if held == nil {
		return nil, false
	}
	below, _ = held.Children.Get(e)
	return below, held.Members.Has(e)
}

// elements returns all that is held directly. The iterators of the library cannot be left early.
func elements(held *fieldpath.Set) []fieldpath.PathElement {
	var all []fieldpath.PathElement
	held.Children.Iterate(func(e fieldpath.PathElement) { all = append(all, e) })
	held.Members.Iterate(func(e fieldpath.PathElement) { all = append(all, e) })
	return all
}

// heldItem returns what is held of an item with keys, nil for nothing.
func heldItem(held *fieldpath.Set, item map[string]any) *fieldpath.Set {
	if held == nil || item == nil {
		return nil
	}
	for _, e := range elements(held) {
		if e.Key == nil || !hasKey(e, item) {
			continue
		}
		if below, _ := childOf(held, e); below != nil {
			return below
		}
		return &fieldpath.Set{}
	}
	return nil
}

func hasKey(e fieldpath.PathElement, item map[string]any) bool {
	for _, f := range *e.Key {
		if value, ok := item[f.Name]; ok && !sameText(value, f.Value.Unstructured()) {
			return false
		}
	}
	return true
}

// holdsValues reports whether a list is one whose values have owners of their own, and holds whether one of them is held.
func holdsValues(held *fieldpath.Set) bool {
	return held != nil && slices.ContainsFunc(elements(held), func(e fieldpath.PathElement) bool { return e.Value != nil })
}

func holds(held *fieldpath.Set, item any) bool {
	return held != nil && slices.ContainsFunc(elements(held), func(e fieldpath.PathElement) bool {
		return e.Value != nil && sameText((*e.Value).Unstructured(), item)
	})
}

func isEmpty(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return value == nil
}

func sameText(a, b any) bool { return text(a) == text(b) }

func text(value any) string {
	content, err := json.Marshal(value)
	if err != nil {
		panic(err) // What was read as JSON marshals.
	}
	return string(content)
}

func equal(a, b *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(a.Object, b.Object)
}
