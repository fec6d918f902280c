package mapping

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// neverLabel is used in a selector that nothing matches. It need not exist anywhere.
const neverLabel = "cellfed.io/never"

// Filter is what remains to be checked of a selector when the member has answered: the requirements on upstream's label
// that labels in the member cannot express, because the cell's objects and free ones both may match them.
// The zero Filter lets everything pass that is in the view.
type Filter struct {
	requirements labels.Requirements
	nothing      bool
}

// Visible says whether an object in the given state is in the view and matches.
func (f Filter) Visible(r Resource, s State) bool {
	if f.nothing || !s.Shown(r) {
		return false
	}
	if len(f.requirements) == 0 {
		return true
	}
	set := labels.Set{}
	if value, ok := s.viewLabel(); ok {
		set[v1alpha1.KubeFedManagedLabel] = value
	}
	for _, q := range f.requirements {
		if !q.Matches(set) {
			return false
		}
	}
	return true
}

// LabelSelector returns the selector for the member, and what is left to be filtered, for a selector on the labels of the
// view. ownOnly keeps it to the cell's own objects. Errors are apierrors with a message for the client.
func (v View) LabelSelector(r Resource, raw string, ownOnly bool) (string, Filter, error) {
	requirements, err := labels.ParseToRequirements(raw)
	if err != nil {
		return "", Filter{}, apierrors.NewBadRequest(fmt.Sprintf("labelSelector: %v", err))
	}
	b := selectorBuilder{selector: labels.NewSelector()}
	if !r.isNamespace() || ownOnly {
		b.notForeign()
	}
	if ownOnly {
		b.own(v)
	}
	var filter Filter
	for _, q := range requirements {
		switch {
		case isCellLabel(q.Key()):
			// No object of the view carries it.
			if !q.Matches(labels.Set{}) {
				b.never()
			}
		case q.Key() == v1alpha1.KubeFedManagedLabel:
			v.managedRequirement(&b, &filter, r, q)
		case q.Key() == namespaceNameLabel && r.isNamespace():
			values := q.Values().List()
			for i := range values {
				values[i] = v.swapNamespace(values[i])
			}
			b.add(q.Key(), q.Operator(), values...)
		default:
			b.selector = b.selector.Add(q)
		}
	}
	if b.err != nil {
		return "", Filter{}, apierrors.NewBadRequest(fmt.Sprintf("labelSelector: %v", b.err))
	}
	return b.selector.String(), filter, nil
}

// managedRequirement maps a requirement on upstream's label to what it means of labels in the member.
func (v View) managedRequirement(b *selectorBuilder, filter *Filter, r Resource, q labels.Requirement) {
	ours := q.Matches(labels.Set{v1alpha1.KubeFedManagedLabel: labelTrue})
	free := true
	switch q.Operator() {
	case selection.In, selection.Equals, selection.DoubleEquals:
		free = q.Values().Len() != 1 || !ours
	}
	switch {
	case ours && !free:
		b.own(v)
		b.notForeign()
	case r.isNamespace(), ours:
		filter.requirements = append(filter.requirements, q)
	default:
		b.add(v1alpha1.ManagedLabel, selection.NotEquals, labelTrue)
		b.selector = b.selector.Add(q)
	}
}

// selectorBuilder adds requirements and remembers the first error.
type selectorBuilder struct {
	selector labels.Selector
	err      error
	narrowed bool
}

// notForeign leaves out what upstream manages.
func (b *selectorBuilder) notForeign() {
	if !b.narrowed {
		b.narrowed = true
		b.add(v1alpha1.KubeFedManagedLabel, selection.NotEquals, labelTrue)
	}
}

func (b *selectorBuilder) add(key string, op selection.Operator, values ...string) {
	q, err := labels.NewRequirement(key, op, values)
	if err != nil {
		if b.err == nil {
			b.err = err
		}
		return
	}
	b.selector = b.selector.Add(*q)
}

// own selects the cell's own objects.
func (b *selectorBuilder) own(v View) {
	b.add(v1alpha1.ManagedLabel, selection.Equals, labelTrue)
	b.add(v1alpha1.NamespaceLabel, selection.Equals, v.Namespace)
	b.add(v1alpha1.CellLabel, selection.Equals, v.Cell)
}

// never selects nothing.
func (b *selectorBuilder) never() {
	b.add(neverLabel, selection.Exists)
	b.add(neverLabel, selection.DoesNotExist)
}

// neverSelector is a selector that nothing matches, and that every API server takes.
func neverSelector() string {
	b := selectorBuilder{selector: labels.NewSelector()}
	b.never()
	return b.selector.String()
}

// namespaceFields are the fields, of objects and of Events, whose value is a namespace.
var namespaceFields = map[string]bool{
	"metadata.namespace":       true,
	"involvedObject.namespace": true,
	"regarding.namespace":      true,
	"related.namespace":        true,
}

// fieldSelector maps a field selector. names are further values that metadata.name must have, in the view's words.
func (v View) fieldSelector(r Resource, raw string, names ...string) (string, error) {
	parsed, err := fields.ParseSelector(raw)
	if err != nil {
		return "", apierrors.NewBadRequest(fmt.Sprintf("fieldSelector: %v", err))
	}
	for _, n := range names {
		parsed = fields.AndSelectors(parsed, fields.OneTermEqualSelector("metadata.name", n))
	}
	mapped, err := parsed.Transform(func(field, value string) (string, string, error) {
		if namespaceFields[field] || field == "metadata.name" && r.isNamespace() {
			value = v.swapNamespace(value)
		}
		return field, value, nil
	})
	if err != nil {
		return "", apierrors.NewBadRequest(fmt.Sprintf("fieldSelector: %v", err))
	}
	return mapped.String(), nil
}
