package render

import (
	"slices"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// holding is what our field manager holds of a field.
type holding int

const (
	// whole is the field with everything in it: a scalar, a list or object of a single owner, or everything there is.
	whole holding = iota
	// parts is something in the field: it has more than one owner.
	parts
	// none is nothing of the field, while others beside it are held.
	none
	// unknown is nothing of the field nor beside it, so that nobody can tell how many owners it may have.
	unknown
)

// owned is what our field manager holds of a field, to be walked down beside the object.
type owned struct {
	holding
	set *fieldpath.Set
}

func everything() owned { return owned{holding: whole} }

func ownedBy(set *fieldpath.Set) owned { return owned{holding: parts, set: set} }

// child returns what is held of an element of the field.
func (o owned) child(e fieldpath.PathElement) owned {
	switch o.holding {
	case whole:
		return o
	case none, unknown:
		return owned{holding: unknown}
	}
	if set, ok := o.set.Children.Get(e); ok {
		return owned{holding: parts, set: set}
	}
	if o.set.Members.Has(e) {
		return owned{holding: whole}
	}
	return owned{holding: none}
}

func (o owned) field(name string) owned { return o.child(fieldpath.FieldNameElement(name)) }

// item returns what is held of an item of a list whose items have owners of their own.
func (o owned) item(item map[string]any) owned {
	if o.holding != parts {
		return o.child(fieldpath.PathElement{})
	}
	for _, e := range o.elements() {
		if e.Key != nil && hasKey(item, *e.Key) {
			return o.child(e)
		}
	}
	return owned{holding: none}
}

// elements returns all that is held directly in the field. The iterators of the library cannot be left early.
func (o owned) elements() []fieldpath.PathElement {
	all := make([]fieldpath.PathElement, 0, o.set.Members.Size())
	o.set.Children.Iterate(func(e fieldpath.PathElement) { all = append(all, e) })
	o.set.Members.Iterate(func(e fieldpath.PathElement) {
		if _, again := o.set.Children.Get(e); !again {
			all = append(all, e)
		}
	})
	return all
}

// keys returns the key fields of a list whose items have owners of their own, nil if it is not one.
func (o owned) keys() []string {
	if o.holding != parts {
		return nil
	}
	for _, e := range o.elements() {
		if e.Key != nil {
			return keyNames(*e.Key)
		}
	}
	return nil
}

// isSet says whether the field is a list whose values have owners of their own.
func (o owned) isSet() bool {
	return o.holding == parts && slices.ContainsFunc(o.elements(), func(e fieldpath.PathElement) bool { return e.Value != nil })
}

// hasValue says whether a value of such a list is held.
func (o owned) hasValue(v any) bool {
	return o.holding != parts || slices.ContainsFunc(o.elements(), func(e fieldpath.PathElement) bool {
		return e.Value != nil && sameScalar((*e.Value).Unstructured(), v)
	})
}

func keyNames(fields value.FieldList) []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.Name)
	}
	return names
}

// hasKey says whether an item is the one that a key stands for.
func hasKey(item map[string]any, key value.FieldList) bool {
	for _, f := range key {
		if have, ok := keyField(item, f.Name); ok && !sameScalar(have, f.Value.Unstructured()) {
			return false
		}
	}
	return true
}

// surplus appends the paths of what is held and there, but not desired: what the next apply takes away. implied are the
// fields of an item that its key says already.
func surplus(found []string, o owned, desired, live any, at string, implied []string) []string {
	if o.holding != parts {
		return found
	}
	for _, e := range o.elements() {
		if e.FieldName != nil && slices.Contains(implied, *e.FieldName) {
			continue
		}
		have, there := counterpart(live, e)
		if !there {
			continue
		}
		want, ok := counterpart(desired, e)
		if !ok {
			found = append(found, at+elementText(e))
			continue
		}
		var said []string
		if item, isItem := want.(map[string]any); isItem && e.Key != nil {
			said = slices.DeleteFunc(keyNames(*e.Key), func(name string) bool {
				_, has := item[name]
				return has
			})
		}
		found = surplus(found, o.child(e), want, have, at+elementText(e), said)
	}
	return found
}

// counterpart returns what an element of a path stands for in a value.
func counterpart(v any, e fieldpath.PathElement) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if e.FieldName != nil {
			child, ok := v[*e.FieldName]
			return child, ok
		}
	case []any:
		for i, item := range v {
			switch {
			case e.Key != nil:
				if m, ok := item.(map[string]any); ok && hasKey(m, *e.Key) {
					return m, true
				}
			case e.Value != nil:
				if isScalar(item) && sameScalar(item, (*e.Value).Unstructured()) {
					return item, true
				}
			case e.Index != nil:
				if i == *e.Index {
					return item, true
				}
			}
		}
	}
	return nil, false
}

func elementText(e fieldpath.PathElement) string {
	switch {
	case e.FieldName != nil:
		return fieldText(*e.FieldName)
	case e.Key != nil:
		var fields []string
		for _, f := range *e.Key {
			fields = append(fields, f.Name+"="+plainText(f.Value.Unstructured()))
		}
		return "[" + strings.Join(fields, ",") + "]"
	case e.Value != nil:
		return "[=" + plainText((*e.Value).Unstructured()) + "]"
	default:
		return e.String()
	}
}

func plainText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return scalarText(v)
}
