package propagation

import (
	"maps"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/cellfed/cellfed/api/v1alpha1"
)

// Who owns fields in a member's object. applies is cellfed's own server-side apply; the others are updates.
const (
	applies   = "cellfed"
	upstream  = "upstream"
	somebody  = "somebody"
	admission = "admission"
)

// owners are the fields that each manager owns. They are never changed.
type owners map[string]*fieldpath.Set

func typedOf(fields map[string]any) *typed.TypedValue {
	t, err := typed.DeducedParseableType.FromUnstructured(runtime.DeepCopyJSON(fields))
	if err != nil {
		panic(err)
	}
	return t
}

func fieldSet(fields map[string]any) *fieldpath.Set {
	set, err := typedOf(fields).ToFieldSet()
	if err != nil {
		panic(err)
	}
	return set
}

func content(t *typed.TypedValue) map[string]any {
	fields, _ := t.AsValue().Unstructured().(map[string]any)
	if fields == nil {
		return map[string]any{}
	}
	return fields
}

// applied is server-side apply with force, of all fields being granular.
func applied(live map[string]any, who owners, desired map[string]any) (map[string]any, owners) {
	set := fieldSet(desired)
	next := owners{}
	if live == nil {
		return runtime.DeepCopyJSON(desired), owners{applies: set}
	}
	before := typedOf(live)
	merged, err := before.Merge(typedOf(desired))
	if err != nil {
		panic(err)
	}
	comparison, err := before.Compare(merged)
	if err != nil {
		panic(err)
	}
	removed := fieldpath.NewSet()
	if own := who[applies]; own != nil {
		removed = own.Difference(set)
	}
	for manager, owned := range who {
		if manager == applies {
			continue
		}
		next[manager] = owned.Difference(comparison.Modified)
		removed = removed.Difference(owned)
	}
	next[applies] = set
	return content(merged.RemoveItems(removed)), next.tidy()
}

// updated is what an update of somebody's does to the owners.
func updated(live map[string]any, who owners, manager string, fields map[string]any) owners {
	comparison, err := typedOf(live).Compare(typedOf(fields))
	if err != nil {
		panic(err)
	}
	taken := comparison.Added.Union(comparison.Modified)
	next := owners{}
	for m, owned := range who {
		next[m] = owned.Difference(comparison.Modified).Difference(comparison.Removed)
	}
	if mine := next[manager]; mine != nil {
		taken = taken.Union(mine)
	}
	next[manager] = taken
	return next.tidy()
}

func (o owners) tidy() owners {
	maps.DeleteFunc(o, func(_ string, set *fieldpath.Set) bool { return set.Empty() })
	return o
}

func (o owners) equal(other owners) bool {
	return maps.EqualFunc(o, other, func(a, b *fieldpath.Set) bool { return a.Equals(b) })
}

// legacy says whether an update owns the label that marks what is propagated.
func (o owners) legacy(manager string) bool {
	for _, label := range []string{v1alpha1.KubeFedManagedLabel, v1alpha1.ManagedLabel} {
		if set := o[manager]; manager != applies && set != nil && set.Has(fieldpath.MakePathOrDie("metadata", "labels", label)) {
			return true
		}
	}
	return false
}

// migrated gives what those own to cellfed's apply.
func (o owners) migrated() owners {
	next := maps.Clone(o)
	for manager := range o {
		if !o.legacy(manager) {
			continue
		}
		set := o[manager]
		if own := next[applies]; own != nil {
			set = set.Union(own)
		}
		next[applies] = set
		delete(next, manager)
	}
	return next
}
